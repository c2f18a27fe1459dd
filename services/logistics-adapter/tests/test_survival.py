"""The adapter can be killed at any time: every delivery arrives, under one id, one at a time."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import httpx

from privity_contracts.ids import mint

from .conftest import CARRIER, ORDERS, OWNER, SITE, Api, Disclosure, Gateway, Process, event

ORDERS_PACKED = 60


async def pack_many(api: Api, gateway: Gateway) -> list[str]:
    choice = {"recipient_id": CARRIER}
    assert (await api("PUT", "/v1/carrier-routes/default", OWNER, choice)).status_code == 200

    turns = asyncio.Semaphore(8)

    async def pack() -> str:
        async with turns:
            return await pack_one()

    async def pack_one() -> str:
        order_id, subject_id = mint("ord"), mint("cus")
        gateway.has(order_id, subject_id)
        told = event("order.packed", order_id=order_id, subject_id=subject_id, site=SITE)
        assert (await api("POST", "/v1/events", ORDERS, told)).status_code == 204
        return order_id

    return await asyncio.gather(*(pack() for _ in range(ORDERS_PACKED)))


async def test_killed_during_dispatches_nothing_is_lost_and_nothing_is_doubled(
    gateway: Gateway, processes: list[Process]
) -> None:
    chance = random.Random()  # picks victims, not keys
    gateway.pause = 0.2
    gateway.answering.clear()
    gateway.outcomes = [
        {"outcome": "retry", "status": 500, "reason": "try_later"} for _ in range(20)
    ]
    async with processes[0].api() as api:
        packed = await pack_many(api, gateway)
    gateway.answering.set()
    # Killed whenever about a fifth more was asked for, in the middle of it.
    for part in (1, 2, 3):
        await _until(partial(_asked_for, gateway, part * ORDERS_PACKED // 5))
        await asyncio.sleep(chance.uniform(0, 0.1))
        victim = chance.choice(processes)
        victim.kill()
        victim.start()

    async with processes[0].api() as api:
        shipments = [await api.until(order_id, "handed_over", 60) for order_id in packed]

    by_shipment: dict[str, list[Disclosure]] = defaultdict(list)
    for disclosure in gateway.disclosures:
        by_shipment[disclosure.body["shipment_id"]].append(disclosure)
    assert len(by_shipment) == ORDERS_PACKED
    for shipment in shipments:
        attempts = by_shipment[shipment["id"]]
        assert {a.id for a in attempts} == {shipment["delivery"]["id"]}
        assert shipment["delivery"]["outcome"] == "delivered"
        for before, after in pairwise(attempts):
            assert before.ended is not None
            assert before.ended <= after.began, "two at the same delivery at once"


def _asked_for(gateway: Gateway, count: int) -> bool:
    return len(gateway.disclosures) >= count


async def _until(fact: Callable[[], bool], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not fact():  # noqa: ASYNC110  # the stand-in offers no event
            await asyncio.sleep(0.01)


async def test_what_was_not_asked_by_the_gateway_is_not_answered(
    api: Api, gateway: Gateway
) -> None:
    wrong = httpx.Headers({"Authorization": "Bearer " + "x" * 64})
    api._client.headers.update(wrong)

    answer = await api("GET", "/v1/carrier-routes", OWNER)

    assert answer.status_code == 401
