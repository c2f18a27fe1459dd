"""Staff write about a customer: within their work, sealed for whom it concerns, on record."""

import orjson
import pytest

from privity_contracts import ids

TEXT = "The parcel is with the neighbour, Frau Quendel."
NEW = "POST", "/v1/cases"


@pytest.fixture
async def kim(gateway):
    return (await gateway.sign_in("kim"))["staff_id"]


async def send(gateway, path, headers, body):
    keyed = headers | {"Idempotency-Key": ids.mint("key")}
    return await gateway.client.post(path, headers=keyed, json=body)


def taken(house, path):
    """The bodies that the customers service got there."""
    return [
        orjson.loads(body)
        for service, method, where, _, body in house.asked
        if (service, method, where) == ("customers", "POST", path)
    ]


async def place_of(sealing, token):
    await sealing.prepare([token])
    key = sealing.keys.loaded(token[3:33])
    return key.place.subject, key.place.scope, key.place.retention_class


async def test_a_reply_is_sealed_for_the_customer_of_the_case(
    gateway, house, an_order, kim, sealing, records
):
    order = await an_order(assignee=kim)
    path = f"/v1/cases/{order.case}/messages"
    answer = {"id": ids.mint("csm"), "sent_at": "2026-11-22T10:00:00Z"}
    house.says("customers", path, answer, method="POST", status=201)
    at_work = await gateway.grant("kim", "enquiries", f"case/{order.case}")

    replied = await send(gateway, path, at_work, {"content": TEXT})

    assert (replied.status_code, replied.json()) == (201, answer)
    [body] = taken(house, path)
    assert TEXT not in str(body)
    scope = f"case/{order.case}"
    assert await place_of(sealing, body["content"]) == (order.subject, scope, "case")
    kinds = [leaf["kind"] for leaf in await records(replied)]
    assert kinds == ["collect"]


async def test_nobody_writes_into_a_case_that_is_not_their_work(
    gateway, house, an_order, kim, records
):
    mine, other = await an_order(assignee=kim), await an_order(assignee=kim)
    path = f"/v1/cases/{other.case}/messages"
    house.says("customers", path, {}, method="POST", status=201)
    at_work = await gateway.grant("kim", "enquiries", f"case/{mine.case}")

    refused = await send(gateway, path, at_work, {"content": TEXT})

    assert refused.status_code == 404
    assert taken(house, path) == []
    kinds = [(leaf["kind"], leaf["reason"]) for leaf in await records(refused)]
    assert kinds == [("refusal", "foreign_subject")]


async def test_a_card_number_goes_into_no_message(gateway, house, an_order, kim):
    order = await an_order(assignee=kim)
    path = f"/v1/cases/{order.case}/messages"
    at_work = await gateway.grant("kim", "enquiries", f"case/{order.case}")

    refused = await send(gateway, path, at_work, {"content": "charge 4111 1111 1111 1111 again"})

    assert (refused.status_code, refused.json()["code"]) == (422, "card_number")
    assert taken(house, path) == []


async def test_staff_open_a_case_for_the_customer_of_the_order_that_is_their_work(
    gateway, house, an_order, kim, sealing
):
    order, foreign = await an_order(assignee=kim), await an_order(assignee=kim)
    answer = {"id": ids.mint("cas"), "due_at": "2026-11-25T10:00:00Z"}
    house.says("customers", "/v1/cases", answer, method="POST", status=201)
    at_work = await gateway.grant("kim", "order_verification", f"order/{order.id}")
    before = len(taken(house, "/v1/cases"))

    wish = {"kind": "enquiry", "message": TEXT}
    opened = await send(gateway, "/v1/cases", at_work, wish | {"order_id": order.id})
    of_other = await send(gateway, "/v1/cases", at_work, wish | {"order_id": foreign.id})
    unknown = await send(gateway, "/v1/cases", at_work, wish | {"order_id": ids.mint("ord")})
    without = await send(gateway, "/v1/cases", at_work, wish)

    assert (opened.status_code, opened.json()) == (201, answer)
    assert [a.status_code for a in (of_other, unknown, without)] == [404, 404, 400]
    [body] = taken(house, "/v1/cases")[before:]
    assert body["order"] == {"id": order.id, "subject_id": order.subject}
    subject, scope, _ = await place_of(sealing, body["message"])
    asked = [headers for _, *asked, headers, _ in house.asked if tuple(asked) == NEW][-1]
    assert (subject, scope) == (order.subject, f"case/{asked['Privity-New-Id']}")
