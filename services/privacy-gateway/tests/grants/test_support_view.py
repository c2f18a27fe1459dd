"""A case in one call: what belongs to it, as far as the purpose and the work go, and no further."""

import asyncio
import time

import pytest

from privity_contracts import ids

from .conftest import the_case

MOMENT = "2026-11-22T10:00:00Z"
CLASSES = {
    **dict.fromkeys(("user.name", "user.contact.email", "user.contact.phone_number"), "identity"),
    "user.content.private": "case",
}
PARTS = {"case", "messages", "customer", "order", "delivery", "history", "shipment"}
OF_ORDER = ["order", "delivery", "history", "shipment"]


@pytest.fixture
async def kim(gateway):
    return (await gateway.sign_in("kim"))["staff_id"]


@pytest.fixture
def a_case(house, sealing, an_order):
    """Lets the services hold a case with everything that belongs to it."""

    async def make(*, assignee, kind="enquiry", subject=None):
        order = await an_order(assignee=assignee, subject=subject)
        the_case(house, order, assignee=assignee, kind=kind)
        about = {"subject_id": order.subject}
        facts = {"id": order.case, **about, "kind": kind, "order_id": order.id}
        times = {"opened_at": MOMENT, "due_at": MOMENT, "closed_at": None, "outcome": None}
        house.says(
            "customers",
            f"/v1/cases/{order.case}",
            {**facts, **times, "state": "assigned", "assignee": assignee},
        )
        [content] = await sealing.seal(
            order.subject,
            f"case/{order.case}",
            [("user.content.private", "Where is my tea?")],
            classes=CLASSES,
        )
        message = {"id": ids.mint("csm"), "from_customer": True, "sent_at": MOMENT}
        page = {"items": [{**message, "content": content}], "next_cursor": None}
        house.says(
            "customers",
            f"/v1/cases/{order.case}/messages",
            {"case_id": order.case, **about, **page},
        )
        await the_customer(order.subject)
        the_order(order)
        return order

    async def the_customer(subject):
        values = [
            ("user.name", "Anna Beispiel"),
            ("user.contact.email", "anna@example.org"),
            ("user.contact.phone_number", "+4930123456"),
        ]
        sealed = await sealing.seal(subject, f"account/{subject}", values, classes=CLASSES)
        profile = dict(zip(("name", "email", "phone"), sealed, strict=True))
        house.says("customers", f"/v1/customers/{subject}", {"id": subject, **profile})

    def the_order(order):
        of_order = {"order_id": order.id, "subject_id": order.subject}
        changes = [{"what": "paid", "at": MOMENT, "role": "customer", "actor": order.subject}]
        house.says("orders", f"/v1/orders/{order.id}/history", {**of_order, "items": changes})
        shipment = {"id": ids.mint("shp"), **of_order, "site": "north", "state": "in_transit"}
        house.says("logistics-adapter", f"/v1/orders/{order.id}/shipment", shipment)

    return make


async def view(gateway, headers, case_id):
    return await gateway.get(f"/v1/cases/{case_id}/view", headers)


def missing(answer):
    return {one["part"]: one["reason"] for one in answer.json()["missing"]}


async def test_one_call_gives_the_case_and_all_that_belongs_to_it(gateway, a_case, kim, records):
    order = await a_case(assignee=kim)
    at_work = await gateway.grant("kim", "enquiries", f"case/{order.case}")

    answer = await view(gateway, at_work, order.case)

    assert answer.status_code == 200, answer.text
    seen = answer.json()
    assert set(seen) == PARTS | {"id", "missing"}
    assert seen["missing"] == []
    assert seen["messages"]["items"][0]["content"] == "Where is my tea?"
    assert seen["customer"]["id"] == order.subject
    assert seen["delivery"]["country"] == "DE"
    assert seen["history"]["items"][0]["what"] == "paid"
    assert seen["shipment"]["state"] == "in_transit"
    for hidden in ("Beispiel", "anna@", "123456", "Weg 1"):
        assert hidden not in answer.text
    leaves = await records(answer)
    assert {leaf["kind"] for leaf in leaves} == {"read"}
    told = {seen[part]["privacy"]["record"] for part in PARTS}
    assert told == {leaf["id"] for leaf in leaves}
    assert len(told) == len(PARTS)


async def test_parts_are_fetched_side_by_side(gateway, house, a_case, kim):
    order = await a_case(assignee=kim)
    at_work = await gateway.grant("kim", "enquiries", f"case/{order.case}")
    for key, (status, body) in list(house.answers.items()):
        if order.id in key[2] or key[2].startswith(f"/v1/cases/{order.case}"):
            house.answers[key] = (status, slowly(status, body))

    began = time.perf_counter()
    answer = await view(gateway, at_work, order.case)
    took = time.perf_counter() - began

    assert answer.status_code == 200
    # Six parts of a third of a second each; one after the other they would take two seconds.
    assert took < 1.2


def slowly(status, body):
    async def answer(request):
        await asyncio.sleep(0.33)
        return status, body

    return answer


async def test_what_is_not_given_is_named_with_the_reason(gateway, house, a_case, kim):
    order, praise = await a_case(assignee=kim), await a_case(assignee=kim, kind="feedback")
    house.says("logistics-adapter", f"/v1/orders/{order.id}/shipment", {}, status=404)
    house.says("orders", f"/v1/orders/{order.id}/history", {}, status=503)
    at_work = await gateway.grant("kim", "enquiries", f"case/{order.case}")
    feedback = await gateway.grant("kim", "feedback", f"case/{praise.case}")

    answer = await view(gateway, at_work, order.case)
    for_feedback = await view(gateway, feedback, praise.case)

    assert missing(answer) == {"shipment": "not_there", "history": "not_available_now"}
    assert all(one["how"] for one in answer.json()["missing"])
    reasons = missing(for_feedback)
    assert reasons["delivery"] == reasons["shipment"] == "not_needed_for_purpose"
    assert {"delivery", "shipment"}.isdisjoint(for_feedback.json())


async def test_a_case_about_no_order_has_none(gateway, house, a_case, kim):
    order = await a_case(assignee=kim)
    work = house.answers["customers", "GET", f"/v1/cases/{order.case}/work"]
    house.says("customers", f"/v1/cases/{order.case}/work", {**work[1], "order_id": None})
    at_work = await gateway.grant("kim", "enquiries", f"case/{order.case}")

    answer = await view(gateway, at_work, order.case)

    assert missing(answer) == dict.fromkeys(OF_ORDER, "no_order")
    assert set(answer.json()) == {"id", "case", "messages", "customer", "missing"}


async def test_a_purpose_that_reaches_the_person_finds_the_order_through_the_case(gateway, a_case):
    officer = (await gateway.sign_in("privacy"))["staff_id"]
    order = await a_case(assignee=officer, kind="rights_request")
    at_work = await gateway.grant("privacy", "rights_requests", f"case/{order.case}")

    answer = await view(gateway, at_work, order.case)

    assert missing(answer) == {}
    assert answer.json()["customer"]["name"] == "Anna Beispiel"
    assert answer.json()["order"]["id"] == order.id


async def test_the_view_is_for_whom_the_case_is_assigned_to(gateway, a_case, kim, records):
    mine, other = await a_case(assignee=kim), await a_case(assignee=kim)
    at_work = await gateway.grant("kim", "enquiries", f"case/{mine.case}")
    shop_wide = await gateway.grant("kim", "customer_search", "shop")

    for headers, case_id in ((at_work, other.case), (shop_wide, mine.case)):
        answer = await view(gateway, headers, case_id)
        assert (answer.status_code, answer.json()["code"]) == (403, "work_required")
        leaves = [(leaf["kind"], leaf["reason"]) for leaf in await records(answer)]
        assert leaves == [("refusal", "work_not_yours")]
    assert (await view(gateway, {}, mine.case)).status_code == 401
    assert (await view(gateway, at_work, "cas_1")).status_code == 404


async def test_somebody_elses_data_in_one_part_keeps_all_of_them_back(gateway, house, a_case, kim):
    mine, other = await a_case(assignee=kim), await a_case(assignee=kim)
    strangers = house.answers["customers", "GET", f"/v1/customers/{other.subject}"]
    house.answers["customers", "GET", f"/v1/customers/{mine.subject}"] = strangers
    at_work = await gateway.grant("kim", "enquiries", f"case/{mine.case}")

    answer = await view(gateway, at_work, mine.case)

    assert answer.status_code == 404
    assert other.subject not in answer.text


@pytest.mark.parametrize("status", [404, 409])
async def test_a_case_that_is_closed_or_handed_over_meanwhile_gives_nothing(
    gateway, house, a_case, kim, status
):
    order = await a_case(assignee=kim)
    at_work = await gateway.grant("kim", "enquiries", f"case/{order.case}")
    house.says("customers", f"/v1/cases/{order.case}", {}, status=status)

    answer = await view(gateway, at_work, order.case)

    assert answer.status_code == 404
    assert order.subject not in answer.text
