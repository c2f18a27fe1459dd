"""The logistics adapter killed at random: nothing is lost, nothing gets a second name."""

import asyncio
import os
import random
import time

import asyncpg

from privity_deploy.seed import Shop
from privity_deploy.stack import Stack
from privity_postgres import for_driver

from .people import Carrier, Customer, Staff, Town, shipment_of

SHIPMENTS = int(os.environ.get("PRIVITY_DISPATCHES", "24"))  # `make torture` sends 200


def packed(town: Town, staff: Staff, customer: Customer, product: str, count: int) -> list[str]:
    orders = [town.order(customer, product)["id"] for _ in range(count)]
    warehouse = staff.grant("warehouse", "warehousing")
    for number, order in enumerate(orders):
        support = staff.grant("support", "order_verification", f"order/{order}")
        support.post(f"/v1/orders/{order}/confirmation")
        if number % 100 == 99:  # a grant lasts ten minutes
            warehouse = staff.grant("warehouse", "warehousing")
        warehouse.post(f"/v1/orders/{order}/packing")
    return orders


def disclosures(stack: Stack) -> int:
    async def ask() -> int:
        connection = await asyncpg.connect(for_driver(stack.places.owner_url("privity_audit")))
        try:
            query = (
                "SELECT count(*) FROM records WHERE kind = 'disclosure' AND purpose = 'delivery'"
            )
            return int(await connection.fetchval(f"{query} AND decision = 'allow'"))
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_killed_during_dispatches_each_delivery_arrives_under_one_id_and_on_record(
    stack: Stack, town: Town, staff: Staff, carrier: Carrier, customer: Customer, product: str
) -> None:
    recorded = disclosures(stack)
    chance = random.Random(SHIPMENTS)
    with carrier.behaving(mode="slow", seconds=0.2, tracking="on_command"):
        orders = packed(town, staff, customer, product, SHIPMENTS)
        for _ in range(max(3, SHIPMENTS // 10)):
            time.sleep(chance.uniform(0.1, 0.9))
            stack.kill("logistics-adapter")
            stack.restart("logistics-adapter")
        shipments = [shipment_of(customer.who, order, within=90)["id"] for order in orders]

        until = time.monotonic() + 120
        while time.monotonic() < until and not set(shipments) <= carrier.received().keys():
            time.sleep(0.3)

    received = carrier.received()
    assert set(shipments) <= received.keys()
    for shipment in shipments:
        assert len({delivery["webhook_id"] for delivery in received[shipment]}) == 1
    attempts = sum(d["times_received"] for s in shipments for d in received[s])
    assert disclosures(stack) - recorded >= attempts >= SHIPMENTS


def test_without_a_valid_agreement_nothing_is_sent(
    stack: Stack,
    shop: Shop,
    town: Town,
    staff: Staff,
    carrier: Carrier,
    customer: Customer,
    product: str,
) -> None:
    owner = staff.grant("owner", "partner_management")
    found = owner.get("/v1/recipients")
    recipients = found["items"] if "items" in found else found["recipients"]
    recipient = next(r["id"] for r in recipients if r["kind"] == "delivery")
    status = f"/v1/recipients/{recipient}/status"
    owner.put(status, {"status": "suspended"})
    try:
        orders = packed(town, staff, customer, product, 3)
        shipments = [shipment_of(customer.who, order)["id"] for order in orders]
        time.sleep(4)  # long enough for several attempts

        assert not set(shipments) & carrier.received().keys()
    finally:
        staff.grant("owner", "partner_management").put(status, {"status": "active"})
