"""What happens to the gateway's keys, taken to the audit store; and the end of those that are over.

A step is written down with the change that it tells of, by whichever process or command made it. It
is recorded at least once: who dies in between leaves it to the next one.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import structlog

from privacy_gateway.clients.line import Lines
from privacy_gateway.domain.audit.access import Access
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.own_access import own_access
from privacy_gateway.domain.policy import Policy
from privity_rest.background import beside

EVERY_SECONDS: Final = 2.0
_TAKE = """
UPDATE key_steps SET taken_at = now() WHERE number IN (
    SELECT number FROM key_steps
    WHERE record_id IS NULL AND (taken_at IS NULL OR taken_at < now() - interval '30 seconds')
    ORDER BY number LIMIT 100 FOR UPDATE SKIP LOCKED
) RETURNING number, kind, step, key_id
"""
_TOLD = """
UPDATE key_steps SET record_id = told.record_id
FROM unnest($1::bigint[], $2::text[]) AS told (number, record_id)
WHERE key_steps.number = told.number
"""
# No token that it signed is good any more: nobody needs it.
_END = """
WITH gone AS (DELETE FROM ring_keys WHERE ends_at < now() RETURNING ring, key_id)
INSERT INTO key_steps (kind, step, key_id) SELECT ring, 'destroyed', key_id FROM gone
ON CONFLICT (key_id) WHERE step = 'destroyed' DO NOTHING
"""
# Partners' secrets lie in another database: noted first, so that none goes unsaid.
_OVER = """
SELECT id, "use" || '_secret' AS kind FROM webhook_secrets WHERE expires_at <= now() LIMIT 100
"""
_NOTE = """
INSERT INTO key_steps (kind, step, key_id)
SELECT kind, 'destroyed', key_id FROM unnest($1::text[], $2::text[]) AS over (kind, key_id)
ON CONFLICT (key_id) WHERE step = 'destroyed' DO NOTHING
"""
_END_SECRETS = "DELETE FROM webhook_secrets WHERE id = ANY($1::text[]) AND expires_at <= now()"
_log = structlog.get_logger("privity.keys")

Fetch = Callable[..., Awaitable[list[Any]]]


class KeySteps:
    def __init__(
        self, keys_url: str, audit: AuditLog, *, policy: Callable[[], Policy], gateway: Fetch
    ) -> None:
        """`gateway` asks the database in which partners' secrets lie."""
        self._lines = Lines(keys_url, name="privity-key-steps", deadline_seconds=5.0, count=1)
        self._audit = audit
        self._policy = policy
        self._gateway = gateway

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        try:
            async with beside(self._follow(), name="key steps"):
                yield
        finally:
            self._lines.cut()

    async def tell(self) -> int:
        """How many steps were recorded. Raises LineFailed and Unavailable."""
        await self._lines.fetch(_END)
        await self._end_secrets()
        taken = await self._lines.fetch(_TAKE)
        if not taken:
            return 0
        taken.sort(key=lambda row: row["number"])
        policy = self._policy()
        receipts = await self._audit.record([_access(policy, row) for row in taken])
        await self._lines.fetch(
            _TOLD,
            [row["number"] for row in taken],
            [receipt.record_id for receipt in receipts],
        )
        return len(taken)

    async def _end_secrets(self) -> None:
        over = await self._gateway(_OVER)
        if not over:
            return
        named = [row["id"] for row in over]
        await self._lines.fetch(_NOTE, [row["kind"] for row in over], named)
        await self._gateway(_END_SECRETS, named)

    async def _follow(self) -> None:
        while True:
            try:
                await self.tell()
            except Exception as exc:  # noqa: BLE001  # the outermost loop: the steps are kept
                _log.warning("key_steps_not_recorded", reason=type(exc).__name__)
            await asyncio.sleep(EVERY_SECONDS)


def _access(policy: Policy, row: Any) -> Access:
    return own_access(
        policy,
        kind="key",
        purpose="key_management",
        reason=f"{row['kind']}_{row['step']}",
        resource=row["key_id"],
    )
