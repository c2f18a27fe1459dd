"""For how long this process may open with the keys in its memory, without asking again.

A destruction is a notice with a number. A process that has read it has let go of the keys that it
names, and confirms. Who destroys waits for everyone's confirmation, or for the length of a lease:
a lease is counted from before the reading that it rests on, so one that does not know of a notice
has run out by then. Only lengths of time are compared, on each process's own monotonic clock;
clocks that disagree do no harm. (Gray and Cheriton: Leases, SOSP 1989.)
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from privacy_gateway.domain.vault.key_cache import KeyCache
from privity_contracts import ids

LEASE_SECONDS = 5.0
RENEW_SECONDS = 1.0
CHANNEL = "privity_keys"

_REGISTER = """
INSERT INTO key_holders (process_id, confirmed)
SELECT $1, coalesce(max(number), 0) FROM key_notices
RETURNING confirmed
"""
# What it confirms is what it read the time before; what it reads now, it confirms the next time.
_RENEW = """
WITH mine AS (
    UPDATE key_holders SET confirmed = $2, seen_at = clock_timestamp()
    WHERE process_id = $1 RETURNING 1
)
SELECT number, key_ids, EXISTS (SELECT FROM mine) AS held
FROM (SELECT 1) AS once LEFT JOIN key_notices ON number > $2 ORDER BY number
"""
_LEAVE = "DELETE FROM key_holders WHERE process_id = $1"

Fetch = Callable[..., Awaitable[list[Any]]]


class Lease:
    """`fetch` is the line that keys are loaded by too, one statement at a time: no key that was
    read before a notice arrives after it."""

    def __init__(
        self,
        cache: KeyCache,
        fetch: Fetch,
        changed: Callable[[], Awaitable[None]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`changed` is awaited for every notice, before it counts as read."""
        self.process_id = ids.mint("prc")
        self._cache = cache
        self._fetch = fetch
        self._changed = changed
        self._clock = clock
        self._seen: int | None = None
        self._read_at = float("-inf")

    @property
    def holds(self) -> bool:
        return self._clock() < self._cache.leased_until

    async def renew(self) -> bool:
        """True when there was something new, which is confirmed only by renewing again."""
        if not self.holds:
            # Notices may have come and gone in the meantime.
            self._cache.clear()
        if self._seen is None:
            await self._register()
            return False
        began = self._clock()
        rows = await self._fetch(_RENEW, self.process_id, self._seen)
        if not rows[0]["held"]:
            self._seen = None
            self._cache.clear()
            return True
        notices = [row for row in rows if row["number"] is not None]
        for notice in notices:
            self._cache.forget(notice["key_ids"])
        if notices:
            await self._changed()
            self._seen = notices[-1]["number"]
        # What was read just now is not confirmed yet: the lease rests on the reading before.
        self._extend(self._read_at if notices else began)
        self._read_at = began
        return bool(notices)

    async def leave(self) -> None:
        """Nobody needs to wait for this process any more."""
        self._cache.clear()
        await self._fetch(_LEAVE, self.process_id)

    async def _register(self) -> None:
        self._cache.clear()
        began = self._clock()
        [row] = await self._fetch(_REGISTER, self.process_id)
        # What was changed before is read after it: nothing is missed in between.
        await self._changed()
        self._seen, self._read_at = row["confirmed"], began
        self._extend(began)

    def _extend(self, since: float) -> None:
        self._cache.leased_until = max(self._cache.leased_until, since + LEASE_SECONDS)
