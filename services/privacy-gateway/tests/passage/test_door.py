"""At the door: which purpose opens a route, and what a service's refusal may say."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from aiohttp import web

from privacy_gateway.api.arrival import Arrival
from privacy_gateway.api.forwarding import Forwarding, PurposeNotAllowed
from privacy_gateway.domain.assignees import Assignees
from privacy_gateway.domain.audit.filters import Filters
from privacy_gateway.domain.audit.query import Records
from privacy_gateway.domain.passage.inbound import Inbound
from privacy_gateway.domain.tokens.caller import VISITOR, Caller, service
from privacy_gateway.domain.work import Work
from privity_contracts import ids
from privity_database import Database
from privity_rest import Malformed, Refusal, Unauthenticated

ORDER = ids.mint("ord")
SECRET = "Alice Example, Musterstraße 1"


@pytest.fixture
async def door(contracts, outbound, vault, log, services, gateway_database):
    database = Database(gateway_database.runtime, application_name="door")
    work = Work(services, policy=lambda: contracts.current.policy)
    assignees = Assignees(database, work)
    forwarding = Forwarding(
        contracts,
        inbound=Inbound(vault=vault, audit=log, services=services, assignees=assignees),
        outbound=outbound,
        services=services,
        audit=log,
        sessions=None,  # of use where a session begins or ends alone
    )

    async def ask(
        who: Caller, path: str, method: str = "GET", *, query: bytes = b""
    ) -> tuple[int, Any]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        match = forwarding.find(method, path)
        assert match is not None
        scope = {"path": path, "query_string": query, "privity.caller": who}
        await forwarding.answer(match, scope, Arrival(request_id=ids.mint("req")), send)
        body = sent[1]["body"]
        return sent[0]["status"], orjson.loads(body) if body else None

    yield ask
    await database.dispose()


def staff(role: str, purpose: str) -> Caller:
    return replace(
        VISITOR,
        kind="staff",
        actor=ids.mint("stf"),
        role=role,
        purpose=purpose,
        work=f"order/{ORDER}",
        work_scopes=frozenset({f"order/{ORDER}"}),
    )


@pytest.mark.parametrize(
    ("role", "purpose"),
    [
        ("support_1", "marketing"),
        ("shop_owner", "sale"),
        ("support_1", "warehousing"),
        ("shop_owner", "audit_review"),
        ("support_1", "Enquiries"),
        ("support_1", "enquiries "),
        ("support_1", "enquiries,order_verification"),
        ("support_1", "еnquiries"),
        ("support_1", ""),
        ("nobody", "enquiries"),
    ],
)
async def test_a_purpose_that_does_not_open_the_door_is_refused_on_record_and_asks_no_service(
    door, behind, audit_database, vault, role: str, purpose: str
) -> None:
    who = staff(role, purpose)
    recordable = purpose.replace("_", "").isascii() and purpose.replace("_", "").isalnum()

    with pytest.raises(PurposeNotAllowed if recordable else Exception):
        await door(who, f"/v1/orders/{ORDER}")

    assert behind.asked == []
    if recordable:
        records = Records(audit_database.runtime, vault)
        page = await records.search(Filters(actor=who.actor), now=datetime.now(UTC))
        records.close()
        assert [leaf["reason"] for leaf in page.leaves] == ["purpose_not_allowed"]
        assert page.leaves[0]["route"] == "GET:/v1/orders/{order_id}"


async def test_a_part_of_a_purpose_opens_what_the_whole_opens(door, behind) -> None:
    behind.says("orders", f"/v1/orders/{ORDER}", {"code": "gone"}, status=404)

    with pytest.raises(Refusal):
        await door(staff("support_1", "complaints"), f"/v1/orders/{ORDER}")

    assert [path for _, _, path, _, _ in behind.asked] == [f"/v1/orders/{ORDER}"]
    assert behind.asked[0][3]["Privity-Purpose"] == "complaints"


async def test_a_service_reads_only_what_it_is_trusted_to_read(door, behind) -> None:
    for name, path in (("customers", f"/v1/orders/{ORDER}/delivery"), ("orders", "/v1/shipments")):
        with pytest.raises(PurposeNotAllowed):
            await door(service(name), path)

    assert behind.asked == []


async def test_a_visitor_is_asked_to_sign_in_rather_than_refused(door, behind) -> None:
    with pytest.raises(Unauthenticated):
        await door(VISITOR, f"/v1/orders/{ORDER}")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (b"&".join(b"a%d=1" % number for number in range(33)), "too_many_parameters"),
        (b"&" * 2000, "too_many_parameters"),
        (b"a=1", "unknown_parameter"),
        (b"limit=1&limit=2", "repeated_parameter"),
        ("limit=٣".encode(), "int_type"),
    ],
)
async def test_a_query_that_nobody_offers_is_refused_and_asks_no_service(
    door, behind, query: bytes, code: str
) -> None:
    with pytest.raises(Malformed) as refused:
        await door(VISITOR, "/v1/products", query=query)

    assert refused.value.errors[-1][1] == code
    assert behind.asked == []


async def test_a_services_refusal_says_no_more_than_a_problem_may(door, behind) -> None:
    said = {
        "type": "about:blank",
        "title": f"{SECRET} is not known",
        "status": 404,
        "code": "order_not_found",
        "detail": f"no order {ORDER} of {SECRET}",
        "recipient": SECRET,
        "errors": [
            {"field": "/lines/3/product_id", "code": "unknown", "value": SECRET},
            {"field": f"/{SECRET}", "code": f"wrong: {SECRET}"},
            {"field": SECRET, "code": ["unknown"]},
            SECRET,
        ],
        "trace": [SECRET],
    }
    behind.says("orders", f"/v1/orders/{ORDER}", said, status=404)

    with pytest.raises(Refusal) as caught:
        await door(staff("support_1", "order_verification"), f"/v1/orders/{ORDER}")

    refusal = caught.value
    whole = orjson.dumps(
        [refusal.status, refusal.code, refusal.title, refusal.detail, refusal.errors]
    ).decode()
    assert (refusal.status, refusal.code) == (404, "order_not_found")
    assert refusal.errors[0] == ("/lines/3/product_id", "unknown")
    assert not any(word in whole for word in SECRET.replace(",", "").split()[:3])


async def test_a_refusal_that_is_not_even_json_is_a_broken_service(door, behind) -> None:
    async def broken(request: Any) -> Any:
        raise web.HTTPNotFound(text=SECRET, content_type="application/problem+json")

    behind.says("orders", f"/v1/orders/{ORDER}", broken)

    with pytest.raises(Refusal) as caught:
        await door(staff("support_1", "order_verification"), f"/v1/orders/{ORDER}")

    assert (caught.value.status, SECRET in str(caught.value)) == (503, False)


async def test_what_a_service_names_as_an_ended_session_has_to_be_one(door, behind) -> None:
    # It would be kept. The door has no sessions to end: a call would be an error.
    path = "/v1/case-queue"
    behind.says("customers", path, {"items": [], "next_cursor": None})
    behind.revokes["customers", path] = {"Privity-Revoke": "quirina"}

    status, _ = await door(staff("support_1", "case_management"), path)

    assert status == 200


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {"code": "oops", "detail": SECRET}),
        (404, {"detail": SECRET}),
        (418, [SECRET]),
        (502, SECRET),
    ],
)
async def test_what_is_no_problem_document_is_not_passed_on(door, behind, status, body) -> None:
    behind.says("orders", f"/v1/orders/{ORDER}", body, status=status)

    with pytest.raises(Refusal) as caught:
        await door(staff("support_1", "order_verification"), f"/v1/orders/{ORDER}")

    assert SECRET not in f"{caught.value} {caught.value.detail} {caught.value.errors}"
    assert caught.value.status == 503


@pytest.mark.parametrize("code", [SECRET, "Gone!", "", 7, None, ["gone"]])
async def test_a_code_that_is_none_is_replaced(door, behind, code: Any) -> None:
    behind.says("orders", f"/v1/orders/{ORDER}", {"code": code, "title": [SECRET]}, status=409)

    with pytest.raises(Refusal) as caught:
        await door(staff("support_1", "order_verification"), f"/v1/orders/{ORDER}")

    assert (caught.value.status, caught.value.code) == (409, "refused")
    assert SECRET not in caught.value.title
