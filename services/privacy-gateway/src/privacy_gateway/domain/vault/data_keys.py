"""Data keys: one per subject, scope and retention class. Destroying one is deletion everywhere.

Whoever needs keys joins the next query; one is under way at a time, and between two of them this
process hears which keys are gone.
"""

import asyncio
import contextlib
import hmac
import os
import re
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from privacy_gateway.clients.line import Line, LineFailed, Unreachable
from privacy_gateway.domain.vault.kek import KEY_BYTES, Belonging, KeyFile, NotUnwrapped, Wrapped
from privacy_gateway.domain.vault.key_cache import DataKey, KeyCache, Place
from privacy_gateway.domain.vault.lease import CHANNEL, RENEW_SECONDS, Lease
from privity_contracts import ids
from privity_rest import NotFound, Unavailable

AUDIT_TAG = "audit_tag"
"""The reserved class of the key that a person's pseudonyms in the audit store hang on."""

_PART = re.compile(r"[A-Za-z0-9_./-]{1,128}")
_FIND = """
SELECT * FROM data_keys WHERE key_id = ANY($1::text[])
UNION ALL
SELECT data_keys.* FROM data_keys
JOIN unnest($2::text[], $3::text[], $4::text[]) AS wanted (subject, scope, retention_class)
USING (subject, scope, retention_class) WHERE retired_at IS NULL OR destroyed_at IS NOT NULL
"""
_ADD = """
INSERT INTO data_keys (key_id, subject, scope, retention_class, wrapped, kek_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[])
AS new (key_id, subject, scope, retention_class, wrapped, kek_id) WHERE NOT EXISTS (
    SELECT FROM data_keys AS gone WHERE gone.destroyed_at IS NOT NULL
    AND (gone.subject, gone.scope, gone.retention_class)
    = (new.subject, new.scope, new.retention_class)
)
ON CONFLICT (subject, scope, retention_class) WHERE retired_at IS NULL DO NOTHING
"""
_FIRST = """
SELECT DISTINCT ON (scope) scope, subject FROM data_keys WHERE scope = ANY($1::text[])
ORDER BY scope, created_at
"""
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
    found: dict[Place, DataKey | None] = field(default_factory=dict)
    """Nothing stands for a key that was destroyed."""


class DataKeys:
    """The table of data keys, and what of it was used a moment ago."""

    def __init__(
        self,
        url: str,
        keks: KeyFile,
        *,
        deadline_seconds: float = 0.6,
        cache_size: int = 20_000,
        cache_seconds: float = 30.0,
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
        self._keks = keks
        self._cache = KeyCache(size=cache_size, life_seconds=cache_seconds, clock=clock)
        self._lease = Lease(self._cache, self._fetch, clock=clock)
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
        self._following = asyncio.create_task(self._follow(), name="key notices")

    async def close(self) -> None:
        for task in (self._working, self._following):
            if task is not None:
                task.cancel()
                await asyncio.wait({task})
        with contextlib.suppress(LineFailed):
            await self._lease.leave()
        self._line.cut()

    async def for_sealing(self, places: Sequence[Place]) -> list[DataKey]:
        """The key of each place, minted where there is none yet. Raises KeyDestroyed."""
        keys = [self._cache.at(place) for place in places]
        absent = {place for place, key in zip(places, keys, strict=True) if key is None}
        if absent:
            found = (await self._ask(minting=absent)).found
            keys = [key or found[place] for place, key in zip(places, keys, strict=True)]
        held = [key for key in keys if key is not None]
        if len(held) < len(keys):
            raise KeyDestroyed("a key that this needs is destroyed")
        return held

    async def at(self, places: Collection[Place], *, minting: bool) -> dict[Place, DataKey | None]:
        """What each place has: a key, or nothing when it is destroyed; absent when it has none."""
        known = {place: key for place in places if (key := self._cache.at(place)) is not None}
        absent = [place for place in places if place not in known]
        if not absent:
            return dict(known)
        asked = await self._ask(minting=absent) if minting else await self._ask(places=absent)
        return known | {place: asked.found[place] for place in absent if place in asked.found}

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

    async def first_in(self, scopes: Collection[str]) -> dict[str, str]:
        """For each scope that has or had a key, the subject of the first one."""
        try:
            async with self._turn:
                rows = await self._fetch(_FIRST, list(scopes))
        except LineFailed as exc:
            raise KeysUnavailable(f"no answer: {type(exc).__name__}") from None
        return {row["scope"]: row["subject"] for row in rows}

    async def _follow(self) -> None:
        """Hears of keys that are gone the moment it happens, and each second in case it did not."""
        while True:
            again = False
            try:
                async with self._turn:
                    again = await self._lease.renew()
            except LineFailed as exc:
                _log.warning("key_notices_lost", reason=type(exc).__name__)
            if not again:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._noticed.wait(), RENEW_SECONDS)
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
            self._working = asyncio.create_task(self._work(), name="data keys")
        try:
            async with asyncio.timeout(self._deadline):
                await asyncio.shield(joined.done)
        except TimeoutError:
            raise KeysUnavailable("no answer in time") from None
        except LineFailed as exc:
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
        if fresh := [place for place in served.minting if place not in found]:
            await self._mint(fresh)
            # Read back, not taken from what we made: another process may have been first.
            found |= await self._find((), fresh)
        served.found = found

    async def _find(
        self, key_ids: Collection[str], places: Collection[Place]
    ) -> dict[Place, DataKey | None]:
        """Each place's current key, and nothing where any was destroyed."""
        rows = await self._fetch(_FIND, list(key_ids), *_columns(places))
        found: dict[Place, DataKey | None] = {}
        for row in rows:
            place = Place(row["subject"], row["scope"], row["retention_class"])
            key = await self._unwrapped(row, place)
            if row["destroyed_at"] is not None:
                found[place] = None
            elif row["retired_at"] is None:
                found.setdefault(place, key)
        for missing in set(key_ids).difference(row["key_id"] for row in rows):
            self._cache.hold_destroyed(missing)
        return found

    async def _unwrapped(self, row: Any, place: Place) -> DataKey | None:
        if row["destroyed_at"] is not None:
            return None
        try:
            material = await self._keks.unwrap(
                Wrapped(row["kek_id"], row["wrapped"]), Belonging(row["key_id"], *place)
            )
        except NotUnwrapped as exc:
            # Its values are as unreadable as a destroyed key's; the others in the query are not.
            _log.error("key_not_unwrapped", reason=str(exc))
            self._cache.hold_destroyed(row["key_id"])
            return None
        key = DataKey(
            key_id=row["key_id"],
            place=place,
            created_at=row["created_at"],
            is_current=row["retired_at"] is None,
            cipher=AESGCM(material),
            tagging=hmac.digest(material, b"privity|tags", "sha256"),
        )
        self._cache.hold(key)
        return key

    async def _mint(self, places: Sequence[Place]) -> None:
        # In one order everywhere: two processes that add the same places would block each other.
        places = sorted(places)
        minted = [(ids.mint("key"), place) for place in places]
        wrapped = [
            await self._keks.wrap(os.urandom(KEY_BYTES), Belonging(key_id, *place))
            for key_id, place in minted
        ]
        await self._fetch(
            _ADD,
            [key_id for key_id, _ in minted],
            *_columns(places),
            [each.text for each in wrapped],
            [each.kek_id for each in wrapped],
        )

    async def _fetch(self, statement: str, *arguments: object) -> list[Any]:
        if not self._line.connected:
            await self._line.connect()
        return await self._line.fetch(statement, *arguments)


def _columns(places: Collection[Place]) -> tuple[list[str], list[str], list[str]]:
    """As the arrays that `unnest` takes."""
    return (
        [place.subject for place in places],
        [place.scope for place in places],
        [place.retention_class for place in places],
    )
