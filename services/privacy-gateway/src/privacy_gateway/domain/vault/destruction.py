"""Destroying keys. When it returns, no process opens anything that was sealed under them.

The row of a destroyed key stays behind without its key and under a fresh id: the place gets no new
key, and no sealed value that is left somewhere names the row.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from privacy_gateway.clients.line import for_driver
from privacy_gateway.domain.vault.data_keys import KeysUnavailable
from privacy_gateway.domain.vault.key_cache import Place
from privacy_gateway.domain.vault.lease import CHANNEL, LEASE_SECONDS

LONGEST_WAIT = LEASE_SECONDS * 1.1
"""Clocks that count the same seconds do not differ by a tenth."""

# Nobody mints at the same time: what is added before is found, what comes after finds it destroyed.
_ALONE = "LOCK TABLE data_keys IN SHARE ROW EXCLUSIVE MODE"
_MATCHING = """
subject = $1 AND ($2::text IS NULL OR scope = $2)
AND ($3::text IS NULL OR retention_class = $3) AND retention_class <> ALL($4::text[])
"""
_DOOMED = f"SELECT key_id FROM data_keys WHERE {_MATCHING} AND destroyed_at IS NULL"  # noqa: S608
_DESTROY = """
UPDATE data_keys SET key_id = 'key_' || left(replace(gen_random_uuid()::text, '-', ''), 26),
wrapped = NULL, kek_id = NULL, destroyed_at = $2 WHERE key_id = ANY($1::text[])
"""
_GONE = f"""
SELECT subject, scope, retention_class, max(destroyed_at) FROM data_keys
WHERE {_MATCHING} AND destroyed_at IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""  # noqa: S608  # constants
_NOTICE = """
INSERT INTO key_notices (number, key_ids)
SELECT coalesce(max(number), 0) + 1, $1::text[] FROM key_notices RETURNING number
"""
_LATEST = "SELECT coalesce(max(number), 0) FROM key_notices"
_FORGET = "DELETE FROM key_notices WHERE at < now() - interval '1 day' AND number < $1"
_BEHIND = "SELECT count(*) FROM key_holders WHERE confirmed < $1"
_GIVE_UP = "DELETE FROM key_holders WHERE confirmed < $1"
_FAILURES = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the driver's word for a connection cut in mid-sentence
)


class Destroyed(NamedTuple):
    place: Place
    at: datetime


class Destruction:
    """One connection to the table of data keys, one destruction at a time."""

    def __init__(
        self,
        url: str,
        *,
        deadline_seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = for_driver(url)
        self._deadline = deadline_seconds
        self._clock = clock
        self._turn = asyncio.Lock()
        self._connection: Any = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def destroy(
        self,
        *,
        subject: str,
        scope: str | None = None,
        retention_class: str | None = None,
        keeping: Collection[str] = (),
        now: datetime,
    ) -> list[Destroyed]:
        """Every place of the person's that is destroyed now, whether by this call or an earlier
        one; `keeping` names classes to leave alone. Asking again does no harm and waits as well.

        Raises KeysUnavailable: then it may be done or not, and somebody may still open.
        """
        which = (subject, scope, retention_class, list(keeping))
        async with self._turn:
            try:
                number, gone = await self._destroy(which, now)
                await self._confirmed(number)
            except _FAILURES as exc:
                self.close()
                raise KeysUnavailable(f"not known to be destroyed: {type(exc).__name__}") from None
            except asyncio.CancelledError:
                self.close()
                raise
        return gone

    async def announce(self, key_ids: Collection[str] = ()) -> None:
        """Returns when every process has looked at these keys, and at the gateway's own, anew.

        Raises KeysUnavailable.
        """
        async with self._turn:
            try:
                connection = await self._connected()
                async with asyncio.timeout(self._deadline), connection.transaction():
                    await connection.execute(_ALONE)
                    number = await _notify(connection, list(key_ids))
                await self._confirmed(number)
            except _FAILURES as exc:
                self.close()
                raise KeysUnavailable(f"not announced: {type(exc).__name__}") from None

    async def _destroy(self, which: tuple[Any, ...], now: datetime) -> tuple[int, list[Destroyed]]:
        connection = await self._connected()
        async with asyncio.timeout(self._deadline), connection.transaction():
            await connection.execute(_ALONE)
            doomed = [row["key_id"] for row in await connection.fetch(_DOOMED, *which)]
            if doomed:
                await connection.execute(_DESTROY, doomed, now)
                number = await _notify(connection, doomed)
            else:
                # Somebody may have begun this and not have waited to the end.
                number = await connection.fetchval(_LATEST)
            rows = await connection.fetch(_GONE, *which)
        return number, [Destroyed(Place(*row[:3]), row[3]) for row in rows]

    async def _confirmed(self, number: int) -> None:
        """Returns when no process can hold what the notices up to this one name."""
        connection = await self._connected()
        began, pause = self._clock(), 0.002
        while await connection.fetchval(_BEHIND, number):
            if self._clock() - began > LONGEST_WAIT:
                # Its lease has run out. It registers again, empty-handed, before it opens anything.
                await connection.execute(_GIVE_UP, number)
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.02)

    async def _connected(self) -> Any:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._url,
                timeout=self._deadline,
                command_timeout=self._deadline,
                server_settings={"application_name": "privity-destruction", "jit": "off"},
            )
        return self._connection


async def _notify(connection: Any, key_ids: list[str]) -> int:
    number: int = await connection.fetchval(_NOTICE, key_ids)
    await connection.execute(_FORGET, number)
    await connection.execute("SELECT pg_notify($1, '')", CHANNEL)
    return number
