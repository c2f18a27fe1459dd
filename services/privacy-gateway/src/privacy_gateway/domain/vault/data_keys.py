"""Data keys: one per subject, scope and retention class. Destroying one is deletion everywhere.

Whoever needs keys joins the next query; one is under way at a time, and between two of them this
process hears which keys are gone.
"""

import asyncio
import contextlib
import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from privacy_gateway.clients.line import Line, LineFailed, Unreachable
from privacy_gateway.domain.vault.kek import KeyEncryption, KeyEncryptionUnavailable
from privacy_gateway.domain.vault.key_cache import DataKey, KeyCache, Place
from privacy_gateway.domain.vault.key_table import AUDIT_TAG, Found, KeyTable
from privacy_gateway.domain.vault.lease import CHANNEL, RENEW_SECONDS, Lease
from privacy_gateway.domain.vault.rings import Rings
from privity_rest import NotFound, Unavailable
from privity_rest.background import end, start

__all__ = ["AUDIT_TAG", "DataKeys", "KeyDestroyed", "KeysUnavailable"]

LONGEST_USE = timedelta(days=365)
"""After that a key seals no more; what it has sealed it still opens."""

_PART = re.compile(r"[A-Za-z0-9_./-]{1,128}")
_log = structlog.get_logger("privity.keys")


class KeyDestroyed(NotFound):
    code, title = "key_destroyed", "The data was deleted"


class KeysUnavailable(Unavailable):
    code, title = "keys_unavailable", "The keys cannot be reached right now"


@dataclass(slots=True)
class _Round:
    """Everything that is asked for while the query before it is under way."""

    done: asyncio.Future[None]
    key_ids: set[str] = field(default_factory=set)
    places: set[Place] = field(default_factory=set)
    minting: set[Place] = field(default_factory=set)
    found: Found = field(default_factory=Found)


class DataKeys:
    """The table of data keys, and what of it was used a moment ago."""

    def __init__(
        self,
        url: str,
        keks: KeyEncryption,
        *,
        deadline_seconds: float = 0.6,
        cache_size: int = 20_000,
        cache_seconds: float = 30.0,
        longest_use: timedelta = LONGEST_USE,
        rings: Rings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._noticed = asyncio.Event()
        self._line = Line(
            url,
            name="privity-keys",
            deadline_seconds=deadline_seconds,
            listens={CHANNEL: self._noticed.set},
        )
        self._deadline = deadline_seconds
        self._table = KeyTable(self._fetch, keks, longest_use=longest_use)
        self._seals: Counter[str] = Counter()
        self._cache = KeyCache(size=cache_size, life_seconds=cache_seconds, clock=clock)
        self._rings = rings
        self._lease = Lease(self._cache, self._fetch, self._read_rings, clock=clock)
        self._turn = asyncio.Lock()
        self._next: _Round | None = None
        self._working: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises NotDurable when a key could be lost after a value was sealed with it."""
        try:
            await self._line.connect()
        except Unreachable as exc:
            raise KeysUnavailable(f"not connected: {exc}") from None
        try:
            await self._lease.renew()
        except LineFailed as exc:
            raise KeysUnavailable(f"no answer: {type(exc).__name__}") from None
        self._following = start(self._follow(), name="key notices")

    async def close(self) -> None:
        await end(*filter(None, (self._working, self._following)))
        with contextlib.suppress(LineFailed):
            await self._lease.leave()
        self._line.cut()

    async def for_sealing(self, places: Sequence[Place]) -> list[DataKey]:
        """The key of each place, minted where there is none yet. Raises KeyDestroyed."""
        keys = [self._cache.at(place) for place in places]
        if all(key is not None and not key.is_worn for key in keys):
            return keys  # type: ignore[return-value]  # it was just looked
        wanted = {
            place for place, key in zip(places, keys, strict=True) if key is None or key.is_worn
        }
        found = (await self._ask(minting=wanted)).found
        held = [
            found.current.get(p) if p in wanted else k for p, k in zip(places, keys, strict=True)
        ]
        if found.destroyed & wanted:
            raise KeyDestroyed("a key that this needs is destroyed")
        if None in held:
            raise KeysUnavailable("a key that this needs cannot be unwrapped right now")
        return held  # type: ignore[return-value]  # it was just looked

    def count_seals(self, key: DataKey, times: int) -> None:
        key.seals_left -= times
        self._seals[key.key_id] += times

    async def at(self, places: Collection[Place], *, minting: bool) -> dict[Place, DataKey | None]:
        """What each place has: a key, or nothing when it is destroyed; absent when it has none."""
        known: dict[Place, DataKey | None] = {
            place: key for place in places if (key := self._cache.at(place)) is not None
        }
        absent = {place for place in places if place not in known}
        if not absent:
            return known
        asked = await (self._ask(minting=absent) if minting else self._ask(places=absent))
        if asked.found.out_of_reach & absent:
            raise KeysUnavailable("a key that this needs cannot be unwrapped right now")
        current = {p: key for p, key in asked.found.current.items() if p in absent}
        return known | current | dict.fromkeys(asked.found.destroyed & absent)

    async def load(self, key_ids: Iterable[str], places: Iterable[Place] = ()) -> None:
        """Makes ready what `loaded` is asked for next; `places` come along in the same query."""
        stale = [key_id for key_id in key_ids if not self._cache.is_fresh(key_id)]
        absent = [place for place in places if self._cache.at(place) is None]
        if stale or absent:
            await self._ask(key_ids=stale, places=absent)

    def loaded(self, key_id: str) -> DataKey:
        try:
            key = self._cache.get(key_id)
        except KeyError:
            raise KeysUnavailable(f"{key_id} is not loaded") from None
        if key is None:
            raise KeyDestroyed(f"{key_id} is destroyed")
        return key

    async def require_lease(self) -> None:
        """Returns when this process knows the keys that count now. Raises KeysUnavailable."""
        if not self._lease.holds:
            await self._ask()

    async def first_in(self, scopes: Collection[str]) -> dict[str, str]:
        """For each scope that has or had a key, the subject of the first one."""
        try:
            async with self._turn:
                return await self._table.first_in(scopes)
        except LineFailed as exc:
            raise KeysUnavailable(f"no answer: {type(exc).__name__}") from None

    async def _follow(self) -> None:
        """Hears of keys that are gone the moment it happens, and each second in case it did not."""
        while True:
            again = False
            try:
                async with self._turn:
                    again = await self._lease.renew()
                    await self._tell()
                    if self._rings is not None and self._rings.is_due(datetime.now(UTC)):
                        await self._read_rings()
            except Exception as exc:  # noqa: BLE001  # the worker: ended, it would hear of nothing
                _log.warning("key_notices_lost", reason=type(exc).__name__)
            if not again:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RENEW_SECONDS):
                        await self._noticed.wait()
            self._noticed.clear()

    async def _ask(
        self,
        *,
        key_ids: Collection[str] = (),
        places: Collection[Place] = (),
        minting: Collection[Place] = (),
    ) -> _Round:
        if any(_PART.fullmatch(part) is None for place in minting for part in place):
            raise ValueError("a key's subject, scope and class are ids")
        if self._next is None:
            self._next = _Round(asyncio.get_running_loop().create_future())
        joined = self._next
        joined.key_ids.update(key_ids)
        joined.places.update(places)
        joined.minting.update(minting)
        if self._working is None or self._working.done():
            self._working = start(self._work(), name="data keys")
        try:
            async with asyncio.timeout(self._deadline):
                await asyncio.shield(joined.done)
        except TimeoutError:
            raise KeysUnavailable("no answer in time") from None
        except (LineFailed, KeyEncryptionUnavailable) as exc:
            raise KeysUnavailable(f"no answer: {type(exc).__name__}") from None
        return joined

    async def _work(self) -> None:
        while (served := self._next) is not None:
            self._next = None
            try:
                async with self._turn:
                    await self._serve(served)
            except Exception as exc:  # noqa: BLE001  # the outermost loop; every waiter gets it
                served.done.set_exception(exc)
                served.done.exception()  # nobody may be waiting any more
            else:
                served.done.set_result(None)

    async def _serve(self, served: _Round) -> None:
        while not self._lease.holds:
            await self._lease.renew()
        found = await self._find(served.key_ids, served.places | served.minting)
        worn = [key for place, key in found.current.items() if key.is_worn]
        if worn := [key for key in worn if key.place in served.minting]:
            await self._table.retire(worn)
        known = found.current.keys() | found.destroyed | found.out_of_reach
        known -= {key.place for key in worn}
        if fresh := served.minting - known:
            await self._table.mint(fresh)
            # Read back, not taken from what we made: another process may have been first.
            minted = await self._find((), fresh)
            found.current |= minted.current
            found.destroyed |= minted.destroyed
        served.found = found

    async def _find(self, key_ids: Collection[str], places: Collection[Place]) -> Found:
        found = await self._table.find(key_ids, places)
        for key_id in found.closed:
            self._cache.hold_destroyed(key_id)
        for key in found.keys:
            key.seals_left -= self._seals[key.key_id]
            self._cache.hold(key)
        return found

    async def _read_rings(self) -> None:
        if self._rings is not None:
            await self._rings.read(self._fetch)

    async def _tell(self) -> None:
        told, self._seals = self._seals, Counter()
        try:
            if told := Counter({key_id: times for key_id, times in told.items() if times}):
                await self._table.tell(told)
        except LineFailed:
            self._seals.update(told)
            raise

    async def _fetch(self, statement: str, *arguments: object) -> list[Any]:
        if not self._line.connected:
            await self._line.connect()
        return await self._line.fetch(statement, *arguments)
