"""From paid to delivered: each step by those entitled, forward only, once."""

import asyncio

import pytest

from privity_contracts.ids import mint

from .shop import Shop, customer, delivery, packer, service, staff, support
from .standins import GatewayStandin

Gateway = tuple[GatewayStandin, str]


async def test_an_order_is_confirmed_packed_and_announced(shop: Shop, gateway: Gateway) -> None:
    order = await shop.order()

    confirmed = await shop.step(order, "confirmation", support(order["id"]))
    packed = await shop.step(order, "packing", packer())

    assert (confirmed["state"], packed["state"]) == ("confirmed", "packed")

    async def announced() -> object:
        return gateway[0].about(order["id"])

    (event,) = await shop.until(announced)
    assert event["type"] == "order.packed"
    assert event["data"] == {
        "order_id": order["id"],
        "subject_id": order["subject_id"],
        "site": "north",
        "country": "de",
    }


async def test_each_step_twice_is_the_step_once(shop: Shop, gateway: Gateway) -> None:
    order = await shop.order()
    for step, who in (("confirmation", support(order["id"])), ("packing", packer())):
        answers = await asyncio.gather(*(shop.step(order, step, who) for _ in range(5)))
        assert all(answer == answers[0] for answer in answers)

    assert await shop.history(order) == ["placed", "paid", "confirmed", "packed"]

    async def announced() -> object:
        return gateway[0].about(order["id"])

    assert len(await shop.until(announced)) == 1


async def test_no_step_is_taken_out_of_turn(shop: Shop) -> None:
    unpaid = await shop.order(token="tok_decline")
    path = f"/v1/orders/{unpaid['id']}"

    confirmation = await shop.api.post(f"{path}/confirmation", headers=support(unpaid["id"]))
    packing = await shop.api.post(f"{path}/packing", headers=packer())

    assert (confirmation.status_code, confirmation.json()["code"]) == (409, "wrong_state")
    assert (packing.status_code, packing.json()["code"]) == (409, "wrong_state")


async def test_only_a_verifier_at_work_on_this_order_confirms_it(shop: Shop) -> None:
    order = await shop.order()
    path = f"/v1/orders/{order['id']}/confirmation"

    async def status(who: dict[str, str]) -> int:
        return (await shop.api.post(path, headers=who)).status_code

    assert await status(support(mint("ord"))) == 404
    assert await status(staff("support_1", "order_verification")) == 403
    assert await status(staff("support_1", "enquiries", f"order/{order['id']}")) == 403
    assert await status(packer()) == 403
    assert await status(customer(order["subject_id"])) == 403
    assert await status(service("logistics-adapter")) == 403


async def test_only_the_orders_own_site_packs_it(shop: Shop) -> None:
    order = await shop.order(to=delivery("IT"))
    await shop.step(order, "confirmation", support(order["id"]))
    path = f"/v1/orders/{order['id']}/packing"

    async def status(who: dict[str, str]) -> int:
        return (await shop.api.post(path, headers=who)).status_code

    assert await status(packer("north")) == 404
    assert await status(staff("warehouse", "warehousing", f"order/{order['id']}")) == 403
    assert await status(staff("dispatch", "delivery", "site/south")) == 403
    assert await status(customer(order["subject_id"])) == 403
    assert await status(packer("south")) == 200


async def test_a_shipment_takes_the_order_to_its_customer(shop: Shop) -> None:
    order = await shop.packed()

    for kind in ("announced", "handed_over", "in_transit", "failed", "out_for_delivery"):
        assert await shop.tell(f"shipment.{kind}", order["id"]) == 204
    assert (await shop.read(order))["state"] == "out_for_delivery"
    await shop.tell("shipment.delivered", order["id"])

    assert (await shop.read(order))["state"] == "delivered"
    assert (await shop.history(order))[4:] == [
        "handed_over",
        "in_transit",
        "delivery_failed",
        "out_for_delivery",
        "delivered",
    ]


async def test_shipment_messages_out_of_order_only_take_an_order_forward(shop: Shop) -> None:
    order = await shop.packed()

    for kind in ("out_for_delivery", "handed_over", "delivered", "in_transit"):
        assert await shop.tell(f"shipment.{kind}", order["id"]) == 204

    assert (await shop.read(order))["state"] == "delivered"
    assert (await shop.history(order))[4:] == ["out_for_delivery", "delivered"]


async def test_the_same_event_many_times_counts_once(shop: Shop) -> None:
    order, event = await shop.packed(), mint("evt")

    answers = await asyncio.gather(
        *(shop.tell("shipment.failed", order["id"], event_id=event) for _ in range(10))
    )

    assert set(answers) == {204}
    assert (await shop.history(order)).count("delivery_failed") == 1


async def test_a_returned_parcel_is_noted(shop: Shop) -> None:
    order = await shop.packed()
    await shop.tell("shipment.handed_over", order["id"])

    await shop.tell("shipment.returned", order["id"])

    assert (await shop.read(order))["state"] == "handed_over"
    assert (await shop.history(order))[-1] == "returned"


async def test_a_shipment_moves_no_order_that_is_not_packed(shop: Shop) -> None:
    order = await shop.order()

    assert await shop.tell("shipment.delivered", order["id"]) == 204
    assert await shop.tell("shipment.delivered", mint("ord")) == 204

    assert (await shop.read(order))["state"] == "paid"


@pytest.mark.parametrize("who", [customer(), packer(), service("customers"), service("orders")])
async def test_only_the_logistics_adapter_tells_of_shipments(
    shop: Shop, who: dict[str, str]
) -> None:
    event = {
        "id": mint("evt"),
        "type": "shipment.delivered",
        "occurred_at": "2026-01-02T03:04:05Z",
        "data": {"order_id": mint("ord")},
    }

    assert (await shop.api.post("/v1/events", json=event, headers=who)).status_code == 403


async def test_an_event_that_names_no_order_is_refused(shop: Shop) -> None:
    assert await shop.tell("shipment.delivered", "nonsense") == 422


async def test_announcements_survive_a_gateway_that_refuses_them(
    shop: Shop, gateway: Gateway
) -> None:
    gateway[0].refuse = 1

    order = await shop.packed()

    async def announced() -> object:
        return gateway[0].about(order["id"])

    assert len(await shop.until(announced)) == 1
