"""Whatever goes wrong on the way has an outcome, and no payload goes astray."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from privacy_gateway.clients.webhooks import AT_ONCE
from privacy_gateway.domain.vault.key_cache import Place
from privacy_gateway.models import Delivery, Recipient
from privity_contracts import ids


@pytest.mark.parametrize(
    ("how", "outcome"),
    [
        ({"status": 200}, ("delivered", 200, None, "accepted")),
        ({"status": 302}, ("rejected", 302, None, "redirect")),
        ({"status": 400}, ("rejected", 400, None, "refused")),
        ({"status": 429, "headers": {"Retry-After": "30"}}, ("retry", 429, 30, "try_later")),
        ({"status": 503}, ("retry", 503, None, "try_later")),
        ({"hangs_up": True}, ("retry", None, None, "no_answer")),
        ({"silent": True}, ("retry", None, None, "timeout")),
        ({"raw": b"nonsense\r\n\r\n"}, ("retry", None, None, "no_answer")),
    ],
)
async def test_what_it_says_becomes_an_outcome(gateway, partner, carrier, how, outcome) -> None:
    for name, value in how.items():
        setattr(partner, name, value)

    order = await gateway.order()
    answer = await gateway.disclose(order, carrier)

    assert tuple(answer.json().values()) == outcome
    assert await may_have_it(gateway, order)  # whatever they say of it


async def test_a_gone_endpoint_is_remembered_until_there_is_another(
    gateway, partner, other_partner, carrier
) -> None:
    partner.status = 410
    path = f"/v1/recipients/{carrier['id']}"

    first = await gateway.disclose(await gateway.order(), carrier)
    second = await gateway.disclose(await gateway.order(), carrier)
    shown = (await gateway.send("owner", "GET", path)).json()
    await gateway.send("owner", "PUT", f"{path}/endpoint", {"endpoint": other_partner.url})
    third = await gateway.disclose(await gateway.order(), carrier)

    assert [each.json()["outcome"] for each in (first, second, third)] == [
        "gone",
        "gone",
        "delivered",
    ]
    assert (len(partner.received), len(other_partner.received)) == (1, 1)
    assert shown["endpoint_gone_at"] is not None
    assert [record.get("reason") for record in await gateway.records(first)] == [
        None,
        "endpoint_gone",
    ]


async def test_more_at_once_than_a_partner_can_take_is_tried_later_and_not_opened(
    gateway, partner, carrier
) -> None:
    partner.silent = True
    orders = [await gateway.order() for _ in range(AT_ONCE * 2)]
    opened = gateway.means.vault.opened

    answers = await asyncio.gather(*(gateway.disclose(each, carrier) for each in orders))

    busy = [each for each in answers if each.json()["reason"] == "busy"]
    assert len(busy) == AT_ONCE
    assert all(each.json()["retry_after_seconds"] == 5 for each in busy)
    assert gateway.means.vault.opened - opened == 7 * AT_ONCE


async def test_with_the_audit_store_gone_nothing_is_opened_or_sent(
    gateway, partner, carrier
) -> None:
    order = await gateway.order()
    opened = gateway.means.vault.opened
    await gateway.means.audit.close()

    answer = await gateway.disclose(order, carrier)

    assert answer.status_code == 503
    assert partner.received == []
    assert gateway.means.vault.opened == opened


async def test_anothers_order_does_not_open(gateway, partner, carrier) -> None:
    mine, theirs = await gateway.order(), await gateway.order()

    for changed in (
        mine | {"sealed": theirs["sealed"]},
        mine | {"sealed": mine["sealed"] | {"phone": theirs["sealed"]["phone"]}},
        mine | {"subject_id": theirs["subject_id"]},
        mine | {"order_id": theirs["order_id"]},
    ):
        answer = await gateway.disclose(changed | {"id": ids.mint("dlv")}, carrier)

        assert (answer.status_code, answer.json()["code"]) == (403, "not_in_scope")
        assert [each["decision"] for each in await gateway.records(answer)] == [
            "allow",
            "refuse",
        ]
    assert partner.received == []


async def test_an_altered_value_does_not_open(gateway, partner, carrier) -> None:
    order = await gateway.order()
    token = order["sealed"]["recipient"]
    flipped = token[:-10] + ("A" if token[-10] != "A" else "B") + token[-9:]
    order["sealed"]["recipient"] = flipped

    answer = await gateway.disclose(order, carrier)

    assert (answer.status_code, partner.received) == (403, [])
    assert not await may_have_it(gateway, order)


async def test_a_value_in_another_fields_place_is_refused(gateway, carrier) -> None:
    order = await gateway.order()
    order["sealed"]["recipient"] = order["sealed"]["phone"]

    answer = await gateway.disclose(order, carrier)

    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": "/sealed/recipient", "code": "value_error"}]


async def test_deleted_data_is_not_delivered_anywhere(gateway, partner, carrier, destroy) -> None:
    order = await gateway.order()
    place = Place(order["subject_id"], f"order/{order['order_id']}", "identity")
    assert await destroy(place, now=datetime.now(UTC))

    answer = await gateway.disclose(order, carrier)

    assert (answer.json()["outcome"], answer.json()["reason"]) == ("rejected", "data_deleted")
    assert partner.received == []
    assert not await may_have_it(gateway, order)


async def test_what_may_have_left_once_is_not_forgotten_by_a_later_attempt(
    gateway, partner, carrier, destroy
) -> None:
    order = await gateway.order()
    partner.hangs_up = True
    assert (await gateway.disclose(order, carrier)).json()["outcome"] == "retry"
    place = Place(order["subject_id"], f"order/{order['order_id']}", "identity")
    assert await destroy(place, now=datetime.now(UTC))

    again = await gateway.disclose(order, carrier)

    assert again.json()["reason"] == "data_deleted"
    assert await may_have_it(gateway, order)


async def may_have_it(gateway, order) -> bool:
    async with gateway.means.database.transaction() as tx:
        left_at = select(Delivery.left_at).where(Delivery.order_id == order["order_id"])
        return await tx.scalar(left_at) is not None


async def test_an_endpoint_that_was_changed_behind_our_back_is_not_reached(
    gateway, partner, carrier
) -> None:
    async with gateway.means.database.transaction() as tx:
        await tx.execute(
            update(Recipient)
            .where(Recipient.id == carrier["id"])
            .values(endpoint="https://169.254.169.254/latest/")
        )
    opened = gateway.means.vault.opened

    answer = await gateway.disclose(await gateway.order(), carrier)

    assert tuple(answer.json().values()) == ("rejected", None, None, "not_a_public_name")
    assert gateway.means.vault.opened == opened
    assert await gateway.records(answer) == []
