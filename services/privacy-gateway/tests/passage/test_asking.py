"""Asking first: what a purpose would yield, what is held and why, and why a record says so."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from privacy_gateway.api import audit, notice, privacy
from privacy_gateway.api.cors import Cors
from privacy_gateway.api.edge import Edge
from privacy_gateway.domain.audit.query import Records
from privacy_gateway.domain.policy.in_force import PolicyInForce
from privacy_gateway.domain.tokens.caller import VISITOR, Caller
from privity_contracts import ids
from privity_rest import problems

FOLDER = Path(__file__).parents[2] / "policy"
DELIVERY = "GET /v1/orders/{order_id}/delivery"


def staff(role: str, purpose: str, **more: Any) -> Caller:
    return replace(VISITOR, kind="staff", actor=ids.mint("stf"), role=role, purpose=purpose, **more)


class Introduced:
    """In the place of the reception, which has tests of its own."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.caller = VISITOR

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope["privity.caller"] = self.caller
        await self.app(scope, receive, send)


@pytest.fixture
async def ask(serve, contracts, log, audit_database, vault):
    policies = PolicyInForce(FOLDER)
    app = FastAPI(openapi_url=None)
    problems.install(app)
    app.state.policies = policies
    app.state.contracts = contracts
    app.state.audit = log
    app.state.records = Records(audit_database.runtime, vault)
    app.state.vault = vault
    # Nobody asks with an identity token here; that is tested with the tokens.
    app.include_router(privacy.router(None))
    app.include_router(audit.router)
    app.include_router(notice.router)
    introduced = Introduced(app)
    port = await serve(Edge(introduced, cors=Cors([]), https=False))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

        async def call(who: Caller, method: str, path: str, body: Any = None) -> httpx.Response:
            introduced.caller = who
            return await client.request(method, path, json=body)

        yield call
    app.state.records.close()


@pytest.fixture
def can(ask):
    async def can(who: Caller, purpose: str, **what: Any) -> httpx.Response:
        body = {"purpose": purpose, **(what or {"route": DELIVERY})}
        return await ask(who, "POST", "/v1/privacy/can", body)

    return can


def by_field(item: dict[str, Any]) -> dict[str, str]:
    return {field["field"]: field["yields"] for field in item["fields"]}


async def test_it_says_per_field_what_a_purpose_would_yield(can) -> None:
    answer = await can(staff("support_1", "enquiries"), "enquiries")

    assert answer.status_code == 200
    [item] = answer.json()["items"]
    assert item["allowed"] is True
    assert by_field(item)["line1"] == "mask"
    region = next(field for field in item["fields"] if field["field"] == "region")
    assert (region["yields"], region["reason"]) == ("withhold", "not_needed_for_purpose")
    assert "delivery (dispatch)" in region["how"]
    assert item["needs"] == {"consent": [], "work": ["case"]}


async def test_another_purpose_of_the_same_role_can_be_asked_about(can) -> None:
    answer = await can(staff("support_1", "enquiries"), "order_verification")

    [item] = answer.json()["items"]
    assert by_field(item)["line1"] == "withhold"
    assert by_field(item)["recipient"] == "mask"


async def test_a_kind_of_thing_stands_for_every_route_about_it(can) -> None:
    answer = await can(staff("dispatch", "delivery"), "delivery", resource="order", method="GET")

    routes = {item["route"]: item["allowed"] for item in answer.json()["items"]}
    assert routes[DELIVERY] is True
    assert len(routes) > 3


async def test_an_id_in_the_path_is_never_looked_at(can, behind) -> None:
    path = f"GET /v1/orders/{ids.mint('ord')}/delivery"

    answer = await can(staff("support_1", "enquiries"), "enquiries", route=path)

    assert answer.json()["items"][0]["route"] == DELIVERY
    assert behind.asked == []


@pytest.mark.parametrize(
    ("who", "purpose", "reason"),
    [
        (staff("support_1", "enquiries"), "marketing", "forbidden_purpose"),
        (staff("shop_owner", "catalogue_management"), "sale", "forbidden_purpose"),
        (staff("support_1", "enquiries"), "warehousing", "purpose_not_yours"),
        (staff("auditor", "audit_review"), "audit_review", "purpose_not_served_here"),
        (VISITOR, "delivery", "purpose_not_yours"),
        *(
            (staff("dispatch", "delivery"), purpose, "unknown_purpose")
            for purpose in ("Delivery", "delivery ", "delivery,enquiries", "dеlivery", "", "*")
        ),
    ],
)
async def test_what_would_yield_nothing_says_why(can, who, purpose: str, reason: str) -> None:
    answer = await can(who, purpose)

    [item] = answer.json()["items"]
    assert (item["allowed"], item["reason"], item["fields"]) == (False, reason, [])
    assert item["how"]
    if reason == "unknown_purpose":
        assert answer.json()["purpose"] is None
        assert purpose == "" or f'"{purpose}"' not in answer.text


async def test_a_narrowed_grant_is_answered_as_narrow_as_it_is(can) -> None:
    narrow = staff("support_1", "enquiries", categories=frozenset({"user.name"}))

    [item] = (await can(narrow, "enquiries")).json()["items"]

    assert by_field(item)["recipient"] == "mask"
    line1 = next(field for field in item["fields"] if field["field"] == "line1")
    assert (line1["yields"], line1["reason"]) == ("withhold", "grant_narrowed")


async def test_nobody_asks_in_a_role_that_is_not_theirs(can) -> None:
    body = {"route": DELIVERY, "role": "data_protection_officer"}

    answer = await can(staff("support_1", "enquiries"), "rights_requests", **body)

    assert (answer.status_code, answer.json()["code"]) == (403, "not_your_role")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"route": "GET /v1/diaries"}, 404),
        ({"resource": "diary"}, 404),
        ({"route": DELIVERY, "resource": "order"}, 422),
        ({"route": "GET"}, 422),
        ({"route": DELIVERY, "subject": "cus_1"}, 422),
    ],
)
async def test_what_cannot_be_answered_is_refused(can, body: dict[str, Any], status: int) -> None:
    assert (await can(staff("support_1", "enquiries"), "enquiries", **body)).status_code == status


async def test_the_catalogue_says_what_is_held_why_and_until_when(ask) -> None:
    answer = await ask(VISITOR, "GET", "/v1/privacy/catalogue")

    held = {item["id"]: item for item in answer.json()["items"]}
    street = held["user.contact.address.street"]
    assert (street["label"], street["sealed"]) == ("street", True)
    assert street["kept"]["until"] == "90 days after order ended"
    assert {"customers", "orders"} <= set(street["held_by"])
    assert "POST /v1/addresses line1" in street["collected_at"]
    assert street["given_to"] == ["delivery"]
    why = {each["purpose"]: each["roles"] for each in street["why"]}
    assert why["delivery"] == {"dispatch": "reveal"}
    assert "marketing" not in why
    assert "system.operations" not in held
    assert held["user.payment"]["given_to"] == []


async def test_versions_and_their_differences_are_public(ask) -> None:
    in_force = (await ask(VISITOR, "GET", "/v1/policy")).json()
    listed = (await ask(VISITOR, "GET", "/v1/policy/versions")).json()
    version = in_force["version"]
    one = (await ask(VISITOR, "GET", f"/v1/policy/versions/{version}")).json()
    diff = (await ask(VISITOR, "GET", f"/v1/policy/diff?from={version}&to={version}")).json()
    nowhere = await ask(VISITOR, "GET", "/v1/policy/versions/1999-01-01")

    assert len(in_force["hash"]) == 64
    assert [item["id"] for item in listed["items"] if item["in_force"]] == [version]
    assert one == in_force
    assert diff["changes"] == []
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "policy_version_not_found")


async def test_a_record_is_explained_by_deciding_it_again(ask, log, reading, contracts) -> None:
    policy = contracts.current.policy
    access = reading(("email", "user.contact.email", "mask"))
    told = replace(access, policy=policy.version, policy_hash=policy.hash)
    forged = replace(told, fields=(access.fields[0]._replace(decision="reveal"),))
    other = replace(told, policy_hash="0" * 64)
    receipts = await log.record([told, forged, other])
    auditor = staff("auditor", "audit_review", work="shop")

    said = [
        (await ask(auditor, "GET", f"/v1/audit/records/{r.record_id}/explanation")).json()
        for r in receipts
    ]

    assert [each["agrees"] for each in said] == [True, False, None]
    assert said[0]["clauses"]["C2.3"]
    assert said[1]["differs"] == ["email (e-mail address): recorded reveal, decided again mask"]
    assert said[2]["reason"] == "policy_file_changed"


async def test_only_reviewers_get_a_record_explained(ask) -> None:
    path = f"/v1/audit/records/{ids.mint('rec')}/explanation"

    assert (await ask(staff("support_1", "enquiries"), "GET", path)).status_code == 403
    assert (await ask(VISITOR, "GET", path)).status_code == 401
    assert (await ask(staff("auditor", "audit_review"), "GET", path)).status_code == 404
