"""Secrets are shown once, kept wrapped, and changed over in peace."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from privacy_gateway.clients.line import for_driver
from privacy_gateway.domain.recipients import webhook_secrets
from privacy_gateway.domain.vault.kek import NotUnwrapped
from privacy_gateway.models import WebhookSecret

URL = "/v1/recipients"
ENTRY = {"endpoint": "https://hooks.swift.example/in"}


class TestSecrets:
    async def test_no_secret_lies_readable_in_the_database(self, gateway, gateway_database) -> None:
        added = await gateway.recipient(endpoint=ENTRY["endpoint"])
        connection = await asyncpg.connect(for_driver(gateway_database.runtime))

        rows = await connection.fetch("SELECT * FROM webhook_secrets")
        rows += await connection.fetch("SELECT * FROM recipients")
        await connection.close()

        found = "".join(str(dict(row)) for row in rows)
        for secret in (added["webhook_secret"], added["callback_secret"]):
            assert secret not in found
            assert secret.removeprefix("whsec_") not in found

    async def test_a_wrapped_secret_opens_in_its_own_row_only(self, gateway) -> None:
        mine = await gateway.recipient(endpoint=ENTRY["endpoint"])
        theirs = await gateway.recipient(endpoint=ENTRY["endpoint"])
        async with gateway.means.database.transaction() as tx:
            (row,) = await webhook_secrets.valid(
                tx, mine["id"], use="webhook", now=datetime.now(UTC)
            )
            (other,) = await webhook_secrets.valid(
                tx, theirs["id"], use="webhook", now=datetime.now(UTC)
            )

        assert await webhook_secrets.unwrap(gateway.means.keks, [row]) == [mine["webhook_secret"]]
        moved = WebhookSecret(
            id=row.id,
            recipient_id=row.recipient_id,
            use="callback",
            wrapped=row.wrapped,
            kek_id=row.kek_id,
        )
        other.wrapped = row.wrapped
        for wrong in (moved, other):
            with pytest.raises(NotUnwrapped):
                await webhook_secrets.unwrap(gateway.means.keks, [wrong])

    async def test_a_rotation_leaves_the_old_secret_good_for_the_overlap(self, gateway) -> None:
        added = await gateway.recipient(endpoint=ENTRY["endpoint"])
        path = f"{URL}/{added['id']}/secrets"

        answer = await gateway.send("owner", "POST", path, {"use": "webhook", "overlap_hours": 2})

        now = datetime.now(UTC)
        good = [await self.good(gateway, added["id"], at=now + timedelta(hours=h)) for h in (1, 3)]
        assert answer.status_code == 201
        assert good == [
            [answer.json()["secret"], added["webhook_secret"]],
            [answer.json()["secret"]],
        ]

    async def test_rotating_twice_cuts_nobody_off(self, gateway) -> None:
        added = await gateway.recipient(endpoint=ENTRY["endpoint"])
        path = f"{URL}/{added['id']}/secrets"

        rotated = [await gateway.send("owner", "POST", path, {"use": "webhook"}) for _ in "12"]

        good = await self.good(gateway, added["id"], at=datetime.now(UTC))
        secrets = [each.json()["secret"] for each in rotated]
        assert good == [secrets[1], secrets[0], added["webhook_secret"]]

    async def test_a_later_rotation_does_not_prolong_an_earlier_secret(self, gateway) -> None:
        added = await gateway.recipient(endpoint=ENTRY["endpoint"])
        path = f"{URL}/{added['id']}/secrets"
        for hours in (1, 168):
            await gateway.send("owner", "POST", path, {"use": "webhook", "overlap_hours": hours})

        later = datetime.now(UTC) + timedelta(hours=2)
        good = await self.good(gateway, added["id"], at=later)

        assert len(good) == 2
        assert added["webhook_secret"] not in good

    async def test_without_overlap_a_leaked_secret_ends_at_once(self, gateway) -> None:
        added = await gateway.recipient(endpoint=ENTRY["endpoint"])
        path = f"{URL}/{added['id']}/secrets"
        await gateway.send("owner", "POST", path, {"use": "callback"})

        answer = await gateway.send("owner", "POST", path, {"use": "callback", "overlap_hours": 0})

        now = datetime.now(UTC)
        assert await self.good(gateway, added["id"], at=now, use="callback") == [
            answer.json()["secret"]
        ]
        assert await self.good(gateway, added["id"], at=now) == [added["webhook_secret"]]

    async def test_secrets_do_not_pile_up(self, gateway) -> None:
        added = await gateway.recipient(endpoint=ENTRY["endpoint"])
        path = f"{URL}/{added['id']}/secrets"

        answers = await asyncio.gather(
            *(gateway.send("owner", "POST", path, {"use": "webhook"}) for _ in range(8))
        )

        assert sorted(each.status_code for each in answers) == [201] * 3 + [409] * 5
        assert len(await self.good(gateway, added["id"], at=datetime.now(UTC))) == 4

    async def good(
        self, gateway, recipient_id: str, *, at: datetime, use: str = "webhook"
    ) -> list[str]:
        async with gateway.means.database.transaction() as tx:
            rows = await webhook_secrets.valid(tx, recipient_id, use=use, now=at)
        return await webhook_secrets.unwrap(gateway.means.keks, rows)
