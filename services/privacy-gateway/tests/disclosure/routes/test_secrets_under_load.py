"""Secrets of a partner are replaced while it gets deliveries and reports: no one is cut off."""

import asyncio
import contextlib
import os
from typing import Any

import pytest
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from privacy_gateway.domain.recipients.webhook_secrets import USES
from privity_contracts import ids

from .test_partners import post

ROUNDS = int(os.environ.get("PRIVITY_SECRET_ROTATIONS", "3"))  # `make torture` makes 200
# What is over is over by the clock of the database.
END_OVERLAP = (
    "UPDATE webhook_secrets SET expires_at = now() - interval '1 second'"
    " WHERE recipient_id = :id AND expires_at IS NOT NULL"
)
LASTING = "SELECT id FROM webhook_secrets WHERE recipient_id = :id AND expires_at IS NULL"


class Traffic:
    """Deliveries and reports without pause, by the secrets that the partner has taken over."""

    def __init__(self, gateway: Any, partner: Any, carrier: dict[str, Any]) -> None:
        self._gateway = gateway
        self._partner = partner
        self._carrier = carrier
        self.taken = {use: carrier[f"{use}_secret"] for use in USES}
        self.delivered = self.reported = 0
        self.failed: list[str] = []
        self._paused = asyncio.Lock()

    async def _deliver(self) -> None:
        while True:
            order = await self._gateway.order()
            async with self._paused:
                answer = await self._gateway.disclose(order, self._carrier)
                received = self._partner.received[-1]
                try:
                    Webhook(self.taken["webhook"]).verify(received.body, received.headers)
                except WebhookVerificationError:
                    self.failed.append("a delivery that the partner cannot verify")
            if answer.status_code != 200 or answer.json()["outcome"] != "delivered":
                self.failed.append(answer.text)
            self.delivered += 1

    async def _report(self) -> None:
        while True:
            body = {
                "type": "tracking_report",
                "event_id": ids.mint("evt"),
                "shipment": ids.mint("shp"),
                "status": "in_transit",
                "occurred_at": "2026-11-22T12:00:00Z",
            }
            async with self._paused:
                secret = self.taken["callback"]
                answer = await post(self._gateway, self._carrier["id"], body, secret)
            if answer.status_code != 202:
                self.failed.append(answer.text)
            self.reported += 1

    @contextlib.asynccontextmanager
    async def flowing(self) -> Any:
        tasks = [asyncio.create_task(each()) for each in (self._deliver, self._report)]
        try:
            yield self
            for task in tasks:
                assert not task.done(), task.exception()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def some(self) -> None:
        """Returns when something has gone either way."""
        delivered, reported = self.delivered, self.reported
        while self.delivered < delivered + 2 or self.reported < reported + 2:  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    async def rotate(self, use: str, **how: int) -> Any:
        path = f"/v1/recipients/{self._carrier['id']}/secrets"
        return await self._gateway.send("owner", "POST", path, {"use": use} | how)

    async def lasting(self) -> set[str]:
        """Of two that were made at once, the one that has no end."""
        async with self._gateway.means.database.transaction() as tx:
            return set(await tx.scalars(text(LASTING), {"id": self._carrier["id"]}))

    async def take(self, fresh: dict[str, str]) -> None:
        """The partner changes over, and the overlap ends."""
        async with self._paused:
            self.taken |= fresh
        async with self._gateway.means.database.transaction() as tx:
            await tx.execute(text(END_OVERLAP), {"id": self._carrier["id"]})


@pytest.fixture
def traffic(gateway, partner, carrier) -> Traffic:
    return Traffic(gateway, partner, carrier)


async def test_no_delivery_and_no_report_fails_while_secrets_are_replaced(traffic) -> None:
    async with traffic.flowing():
        for _ in range(ROUNDS):
            # Two at a time for each use: both are good, and the partner takes either.
            answers = {
                use: await asyncio.gather(traffic.rotate(use), traffic.rotate(use)) for use in USES
            }
            for both in answers.values():
                assert [answer.status_code for answer in both] == [201, 201]
            await traffic.some()
            fresh = {use: both[0].json()["secret"] for use, both in answers.items()}
            async with traffic._paused:
                traffic.taken |= fresh
            await traffic.some()
            lasting = await traffic.lasting()
            made = [answer.json() for both in answers.values() for answer in both]
            await traffic.take(
                {each["use"]: each["secret"] for each in made if each["id"] in lasting}
            )
            await traffic.some()

    assert traffic.failed == []
    assert min(traffic.delivered, traffic.reported) >= 6 * ROUNDS


@pytest.mark.parametrize("use", USES)
async def test_a_rotation_without_overlap_is_noticed(traffic, use) -> None:
    """What the harness above sees when somebody is cut off."""
    async with traffic.flowing():
        assert (await traffic.rotate(use, overlap_hours=0)).status_code == 201
        await traffic.some()

    assert traffic.failed != []
