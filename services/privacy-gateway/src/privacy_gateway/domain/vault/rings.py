"""The gateway's own keys that are replaced while it serves, and the overlap in which two count.

A key comes in three steps, and each waits until every process has taken the one before: `coming`
(accepted everywhere, used nowhere), `current` (used), `leaving` (accepted, until it ends). So no
process ever meets what another made with a key that it does not know yet.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from privacy_gateway.domain.vault import rotations
from privacy_gateway.domain.vault.kek import Belonging, KeyEncryption, Wrapped
from privity_contracts import ids

Ring = Literal["token_signing", "blind_index"]
Fetch = Callable[..., Awaitable[list[Any]]]


class RingKey(NamedTuple):
    """`generation` counts the keys of a ring from 0."""

    generation: int
    material: bytes


Use = Callable[[Sequence[RingKey]], None]

_READ = """
SELECT * FROM ring_keys WHERE ends_at IS NULL OR ends_at > now()
ORDER BY ring, state <> 'current', created_at DESC
"""
_SEED = """
INSERT INTO ring_keys (key_id, ring, state, wrapped, kek_id) VALUES ($1, $2, 'current', $3, $4)
ON CONFLICT DO NOTHING
"""
_ADD = """
INSERT INTO ring_keys (key_id, ring, state, wrapped, kek_id, generation)
SELECT $1, $2, 'coming', $3, $4, coalesce(max(generation), -1) + 1 FROM ring_keys WHERE ring = $2
"""
_STEP_DOWN = (
    "UPDATE ring_keys SET state = 'leaving', ends_at = $2 WHERE ring = $1 AND state = 'current'"
)
# One that is coming, or that this rotation has made the current one and may not have announced.
_UNDER_WAY = """
SELECT key_id FROM ring_keys WHERE ring = $1
AND (state = 'coming' OR (state = 'current' AND created_at >= $2)) ORDER BY state LIMIT 1
"""
_STEP_UP = "UPDATE ring_keys SET state = 'current' WHERE key_id = $1 AND state = 'coming'"
_IS_COMING = "SELECT state = 'coming' FROM ring_keys WHERE key_id = $1 FOR UPDATE"
_REMOVE = "DELETE FROM ring_keys WHERE ring = $1 AND state = 'leaving' RETURNING key_id"


class NoKey(Exception):
    """The first key of a ring is missing: the gateway does not start."""


class Rings:
    """What this process knows of them. `uses` takes each ring's keys, the current one first."""

    def __init__(self, keks: KeyEncryption, uses: dict[Ring, Use] | None = None) -> None:
        self._keks = keks
        self._uses: dict[Ring, Use] = uses or {}
        self._seeds: dict[Ring, bytes | None] = {}
        self._materials: dict[str, bytes] = {}
        self._read_again_at: datetime | None = None

    def use(self, ring: Ring, use: Use, *, seed: bytes | None) -> None:
        """`seed` becomes the first key of a ring that has none yet; without it there has to be
        one."""
        self._uses[ring], self._seeds[ring] = use, seed

    def is_due(self, now: datetime) -> bool:
        """A key has ended since the last reading."""
        return self._read_again_at is not None and now >= self._read_again_at

    async def read(self, fetch: Fetch) -> None:
        rows = await fetch(_READ)
        absent = self._seeds.keys() - {row["ring"] for row in rows}
        if absent:
            for ring in sorted(absent):
                await fetch(_SEED, *await self._seed(ring))
            rows = await fetch(_READ)
        self._materials = {row["key_id"]: await self._material(row) for row in rows}
        for ring, use in self._uses.items():
            use(
                [
                    RingKey(row["generation"], self._materials[row["key_id"]])
                    for row in rows
                    if row["ring"] == ring
                ]
            )
        ends = [row["ends_at"] for row in rows if row["ends_at"] is not None]
        self._read_again_at = min(ends, default=None)

    async def _seed(self, ring: Ring) -> tuple[str, str, bytes, str]:
        seed = self._seeds[ring]
        if seed is None:
            raise NoKey(f"the ring {ring} has no key, and there is no file with the first one")
        return await wrapped(self._keks, ring, seed)

    async def _material(self, row: Any) -> bytes:
        known = self._materials.get(row["key_id"])
        if known is not None:
            return known
        belonging = _belonging(row["key_id"], row["ring"])
        return await self._keks.unwrap(Wrapped(row["kek_id"], row["wrapped"]), belonging)


async def wrapped(keks: KeyEncryption, ring: Ring, material: bytes) -> tuple[str, str, bytes, str]:
    """As `ring_keys` takes a new key."""
    key_id = ids.mint("key")
    made = await keks.wrap(material, _belonging(key_id, ring))
    return key_id, ring, made.text, made.kek_id


async def replace(
    connection: Any,
    keks: KeyEncryption,
    ring: Ring,
    material: bytes,
    *,
    announce: Callable[[], Awaitable[None]],
    overlap: timedelta | None,
    since: datetime,
) -> str:
    """A new key takes over. `since` is when this rotation began: after a crash it goes on where it
    stopped, and the next rotation makes another key, however soon it comes.

    Without an `overlap` the old one is accepted until `end` is called.
    """
    key_id: str | None = await connection.fetchval(_UNDER_WAY, ring, since)
    if key_id is None:
        added = await wrapped(keks, ring, material)
        await connection.execute(_ADD, *added)
        key_id = added[0]
    await announce()
    ends_at = None if overlap is None else datetime.now(UTC) + overlap
    async with connection.transaction():
        if await connection.fetchval(_IS_COMING, key_id):
            await connection.execute(_STEP_DOWN, ring, ends_at)
            await connection.execute(_STEP_UP, key_id)
    await announce()
    return key_id


async def end(connection: Any, ring: Ring, *, announce: Callable[[], Awaitable[None]]) -> list[str]:
    """Earlier keys are accepted no more, and are destroyed; gives their ids."""
    async with connection.transaction():
        gone = [row["key_id"] for row in await connection.fetch(_REMOVE, ring)]
        await rotations.note_destroyed(connection, ring, gone)
    await announce()
    return gone


def _belonging(key_id: str, ring: str) -> Belonging:
    return Belonging(key_id, "gateway", f"ring/{ring}", ring)
