"""A case from the customer's question to the answer, kept together by four programs."""

from __future__ import annotations

from typing import Any

import pytest

from privity_deploy.client import eventually

from .people import Customer, Someone, Staff, Town, new_key

QUESTION = "Is the Quendelhausen parcel on its way?"
REPLY = "It is with the carrier, and with you on Thursday."
OF_ORDER = {"order", "delivery", "history"}


def open_case(who: Someone, **also: str) -> str:
    wish = {"kind": "enquiry", "message": QUESTION, **also}
    return str(who.post("/v1/cases", wish, key=new_key())["id"])


def take(staff: Staff, username: str, case_id: str) -> Someone:
    """From the queue; gives the grant to work on it."""
    organiser = staff.grant(username, "case_management", "shop")
    organiser.post(f"/v1/cases/{case_id}/assignment", {})
    return staff.grant(username, "enquiries", f"case/{case_id}")


@pytest.fixture
def order(town: Town, customer: Customer, product: str) -> dict[str, Any]:
    return town.order(customer, product)


def test_a_question_is_taken_looked_into_and_answered(
    staff: Staff, customer: Customer, order: dict[str, Any]
) -> None:
    case_id = open_case(customer.who, order_id=order["id"])

    support = take(staff, "support", case_id)
    view = support.get(f"/v1/cases/{case_id}/view")
    support.post(f"/v1/cases/{case_id}/messages", {"content": REPLY}, key=new_key())
    support.post(f"/v1/cases/{case_id}/closure", {"outcome": "resolved"})

    assert view["messages"]["items"][0]["content"] == QUESTION
    assert view["order"]["number"] == order["number"]
    assert set(view) >= OF_ORDER | {"case", "messages", "customer"}
    assert [one["part"] for one in view["missing"]] == ["shipment"]
    for label, value in customer.private.items():
        assert value not in str(view), label
    messages = customer.who.get(f"/v1/cases/{case_id}/messages")["items"]
    assert [(one["content"], one["from_customer"]) for one in messages] == [
        (QUESTION, True),
        (REPLY, False),
    ]
    case = customer.who.get(f"/v1/cases/{case_id}")
    assert (case["state"], case["outcome"]) == ("closed", "resolved")
    seen = customer.who.get("/v1/my/accesses")
    assert "customer support" in str(seen)


def test_handing_a_case_over_ends_what_it_opened_everywhere(
    staff: Staff, customer: Customer, order: dict[str, Any]
) -> None:
    case_id = open_case(customer.who, order_id=order["id"])
    path = f"/v1/orders/{order['id']}/delivery"
    support = take(staff, "support", case_id)
    assert support.ask("GET", path).status == 200

    to = {"assignee": staff.identity("senior")["staff_id"], "reason": "expertise"}
    support.post(f"/v1/cases/{case_id}/handover", to)

    # The service that holds the case knows at once; the others by the event.
    assert support.ask("GET", f"/v1/cases/{case_id}").status in {401, 404}

    def ended() -> bool:
        return support.ask("GET", path).status == 401

    eventually(ended, within=10, what="end of the grant")
    assert staff.ask_for("support", "enquiries", f"case/{case_id}").status == 400
    senior = eventually(
        lambda: _grant_if_any(staff, "senior", case_id), within=20, what="grant for the next one"
    )
    assert senior.get(f"/v1/cases/{case_id}/view")["customer"]["name"] == customer.name


def _grant_if_any(staff: Staff, username: str, case_id: str) -> Someone | None:
    """Until the event has passed, a grant may be taken back again."""
    grant = staff.grant(username, "enquiries", f"case/{case_id}")
    answer = grant.ask("GET", f"/v1/cases/{case_id}")
    assert answer.status in {200, 401, 503}, answer.body
    return grant if answer.status == 200 else None


def test_nobody_opens_a_case_about_somebody_elses_order(
    town: Town, customer: Customer, order: dict[str, Any]
) -> None:
    stranger = town.customer(with_address=False)
    wish = {"kind": "complaint", "message": "Mine!", "order_id": order["id"]}

    answer = stranger.who.ask("POST", "/v1/cases", wish, headers={"Idempotency-Key": new_key()})

    assert answer.status == 404
    assert stranger.who.get("/v1/cases")["items"] == []


def test_who_calls_is_found_and_a_case_is_opened_for_them(
    staff: Staff, customer: Customer, order: dict[str, Any]
) -> None:
    finder = staff.grant("support", "customer_search", "shop")

    by_mail = finder.post("/v1/customers/searches", {"email": customer.email.upper()})
    by_phone = finder.post("/v1/customers/searches", {"phone": customer.phone})
    by_number = finder.post("/v1/orders/searches", {"number": order["number"]})
    at_work = staff.grant("support", "order_verification", f"order/{order['id']}")
    case_id = open_case(at_work, order_id=by_number["items"][0]["id"])

    assert [one["id"] for one in by_mail["items"]] == [customer.id]
    assert customer.id in [one["id"] for one in by_phone["items"]]
    assert [one["subject_id"] for one in by_number["items"]] == [customer.id]
    for found in (by_mail, by_phone, by_number):
        for label, value in customer.private.items():
            assert value not in str(found), label
    assert case_id in [one["id"] for one in customer.who.get("/v1/cases")["items"]]
    messages = customer.who.get(f"/v1/cases/{case_id}/messages")["items"]
    assert [one["content"] for one in messages] == [QUESTION]


def test_a_consent_is_given_shown_and_withdrawn(customer: Customer, visitor: Someone) -> None:
    version = visitor.get("/v1/policy")["version"]
    path = "/v1/consents/marketing"

    given = customer.who.put(path, {"given": True, "policy_version": version})
    old = customer.who.ask("PUT", path, {"given": True, "policy_version": "2020-01-01"})
    withdrawn = customer.who.put(path, {"given": False})
    receipt = customer.who.get(f"{path}/receipt")

    assert (given["given"], withdrawn["given"]) == (True, False)
    assert (old.status, old.code) == (409, "another_policy_in_force")
    assert receipt["type"] == "dpv:ConsentReceipt"
    record = receipt["dpv:hasRecordOfActivity"]
    assert record["dpv:hasDataSubject"]["id"] == f"urn:privity:{customer.id}"
    assert record["dpv:hasNotice"]["dct:hasVersion"] == version
    assert len(record["dpv:hasConsentStatus"]) == 2
