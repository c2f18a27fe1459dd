"""Cancelling: until it is packed, by those entitled; stock and money go back, once."""

import asyncio
from collections import Counter
from typing import Any

from privity_contracts.ids import mint

from .conftest import OpenShop
from .shop import Shop, customer, packer, staff, support
from .standins import GatewayStandin

REFUNDS = (
    "SELECT refunds FROM sandbox_charges JOIN payments ON payments.id = payment_id "
    "WHERE order_id = :id"
)


async def test_a_paid_order_is_cancelled_its_goods_and_its_money_go_back(
    shop: Shop, gateway: tuple[GatewayStandin, str]
) -> None:
    order = await shop.order()

    cancelled = await shop.step(order, "cancellation", customer(order["subject_id"]))

    assert cancelled["state"] == "cancelled"
    assert await shop.stock(order["lines"][0]["product_id"]) == 1000
    await shop.until_payment(order, "refunded")
    assert await shop.one(REFUNDS, id=order["id"]) == 1

    async def announced() -> object:
        told = gateway[0].about(order["id"])
        return told if len({event["type"] for event in told}) == 2 else None

    cancelled, refunded = sorted(await shop.until(announced), key=lambda event: event["type"])
    assert (cancelled["type"], refunded["type"]) == ("order.cancelled", "order.refunded")
    # Whose it is and where, for whoever keeps what disputes need from then on.
    assert refunded["data"] == cancelled["data"]
    assert refunded["occurred_at"] >= cancelled["occurred_at"]


async def test_cancelling_many_times_returns_goods_and_money_once(shop: Shop) -> None:
    order = await shop.order()
    who = customer(order["subject_id"])

    answers = await asyncio.gather(*(shop.step(order, "cancellation", who) for _ in range(20)))
    await shop.until_payment(order, "refunded")
    await shop.step(order, "cancellation", who)

    assert {answer["state"] for answer in answers} == {"cancelled"}
    assert await shop.stock(order["lines"][0]["product_id"]) == 1000
    assert await shop.one(REFUNDS, id=order["id"]) == 1
    assert await shop.history(order) == ["placed", "paid", "cancelled"]


async def test_an_unpaid_order_is_cancelled_without_a_refund(
    shop: Shop, gateway: tuple[GatewayStandin, str]
) -> None:
    order = await shop.order(token="tok_decline")

    await shop.step(order, "cancellation", customer(order["subject_id"]))

    assert (await shop.read(order))["payments"][0]["outcome"] == "declined"
    assert await shop.one(REFUNDS, id=order["id"]) == 0

    async def announced() -> object:
        return gateway[0].about(order["id"])

    assert [event["type"] for event in await shop.until(announced)] == ["order.cancelled"]


async def test_support_at_work_on_the_order_cancels_it(shop: Shop) -> None:
    order = await shop.order()
    await shop.step(order, "confirmation", support(order["id"]))

    cancelled = await shop.step(order, "cancellation", support(order["id"]))

    assert cancelled["state"] == "cancelled"


async def test_nobody_else_cancels_an_order(shop: Shop) -> None:
    order = await shop.order()

    async def status(who: dict[str, str]) -> int:
        path = f"/v1/orders/{order['id']}/cancellation"
        return (await shop.api.post(path, headers=who)).status_code

    assert await status(customer()) == 404
    assert await status(support(mint("ord"))) == 404
    assert await status(staff("support_1", "enquiries")) == 403
    assert await status(packer()) == 403


async def test_a_packed_order_is_not_cancelled(shop: Shop) -> None:
    order = await shop.packed()

    answer = await shop.api.post(
        f"/v1/orders/{order['id']}/cancellation", headers=customer(order["subject_id"])
    )

    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")


async def test_packing_and_cancelling_at_once_one_of_them_happens(shop: Shop) -> None:
    ends: Counter[str] = Counter()
    for _ in range(6):
        order = await shop.order()
        await shop.step(order, "confirmation", support(order["id"]))
        path = f"/v1/orders/{order['id']}"

        answers = await asyncio.gather(
            shop.api.post(f"{path}/packing", headers=packer()),
            shop.api.post(f"{path}/cancellation", headers=customer(order["subject_id"])),
        )

        assert sorted(answer.status_code for answer in answers) == [200, 409]
        end = (await shop.read(order))["state"]
        assert (await shop.history(order))[3:] == [end]
        left = await shop.stock(order["lines"][0]["product_id"])
        assert left == {"packed": 998, "cancelled": 1000}[end]
        ends[end] += 1
    assert ends.total() == 6


async def test_an_order_that_nobody_pays_is_cancelled_and_its_goods_return(
    a_shop: OpenShop,
) -> None:
    async with a_shop(pay_within_seconds=0.3) as shop:
        declined = await shop.order(token="tok_decline")
        challenged = await shop.order(token="tok_challenge")
        paid = await shop.order()

        for order in (declined, challenged):

            async def cancelled(order: dict[str, Any] = order) -> object:
                return (await shop.read(order))["state"] == "cancelled"

            await shop.until(cancelled)
            assert await shop.stock(order["lines"][0]["product_id"]) == 1000
        assert (await shop.until_payment(challenged, "voided"))["state"] == "cancelled"
        assert (await shop.read(paid))["state"] == "paid"
        changes = await shop.api.get(
            f"/v1/orders/{declined['id']}/history", headers=support(declined["id"])
        )
        assert changes.json()["items"][-1]["actor"] == "svc_orders"
