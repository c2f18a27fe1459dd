"""The log in the database: what waits for it, where it ends, its tiles and checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import asyncpg

from audit_log.domain.sequencing.order import Placed
from audit_log.domain.sequencing.verification import Link
from privity_transparency import plans
from privity_transparency.batch import Batch
from privity_transparency.tiles import Growth, TileId, edge_of

LEASE_SECONDS = 3
# Two clocks may differ by so much before a record is looked for in the wrong month.
_APART = timedelta(days=2)

_LOCK = """
SELECT holder, coalesce(until > clock_timestamp(), false) AS held,
       coalesce(until > clock_timestamp() + interval '2 seconds', false) AS long
FROM sequencing FOR UPDATE SKIP LOCKED
"""
_HOLD = "UPDATE sequencing SET holder = $1, until = clock_timestamp() + make_interval(secs => $2)"
_END = "SELECT first_index + records AS size FROM log_batches ORDER BY first_index DESC LIMIT 1"
_PLACED = """
SELECT first_index, process_id, number, records FROM log_batches
WHERE first_index >= $1 ORDER BY first_index DESC LIMIT $2
"""
_LAST = """
SELECT last.*
FROM processes AS p CROSS JOIN LATERAL (
    SELECT b.process_id AS process, b.number, b.previous, b.records, b.leaves
    FROM log_batches AS l JOIN batches AS b USING (process_id, number)
    WHERE l.process_id = p.process_id ORDER BY l.number DESC LIMIT 1
) AS last
"""
_WAITING = """
SELECT waiting.*, p.public_key, p.certificate, p.started_at
FROM processes AS p
LEFT JOIN unnest($1::text[], $2::bigint[]) AS known (process_id, number) USING (process_id)
CROSS JOIN LATERAL (
    SELECT b.* FROM batches AS b
    WHERE b.process_id = p.process_id AND b.number >= coalesce(known.number, 0)
    ORDER BY b.number LIMIT $3
) AS waiting
ORDER BY waiting.process_id, waiting.number
"""
_RECORDS = """
SELECT batch, position, leaf, id, recorded_at, kind, decision, purpose, role, subject_tag,
       actor_tag, categories
FROM records
WHERE process_id = $1 AND batch BETWEEN $2 AND $3 AND recorded_at BETWEEN $4 AND $5
ORDER BY batch, position
"""
_PLACE = """
INSERT INTO log_batches (first_index, process_id, number, records)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::int[])
"""
_TILES = """
INSERT INTO tiles (level, number, hashes)
SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[])
ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes
"""
_TILES_OF = """
SELECT level, number, hashes FROM tiles
JOIN unnest($1::smallint[], $2::bigint[]) AS wanted (level, number) USING (level, number)
"""
_CHECKPOINT = """
INSERT INTO checkpoints (size, root, note, cosigned, written_at)
VALUES ($1, $2, $3, $4, clock_timestamp())
ON CONFLICT (size) DO UPDATE
SET note = excluded.note, cosigned = excluded.cosigned, written_at = excluded.written_at
WHERE NOT checkpoints.cosigned
"""
_SIZES = """
SELECT (SELECT coalesce(max(size), 0) FROM checkpoints) AS signed,
       (SELECT coalesce(max(size), 0) FROM checkpoints WHERE cosigned) AS cosigned
"""

Connection = Any


async def hold(connection: Connection, holder: str) -> bool:
    """Inside a transaction: whether this sequencer is the one that works. The lock is the row's."""
    row = await connection.fetchrow(_LOCK)
    if row is None or (row["held"] and row["holder"] != holder):
        return False
    if row["holder"] != holder or not row["long"]:
        await connection.execute(_HOLD, holder, LEASE_SECONDS)
    return True


async def size_of(connection: Connection) -> int:
    return await connection.fetchval(_END) or 0


async def placed_from(connection: Connection, size: int, *, limit: int) -> list[Placed]:
    """What is in the log from there on; of very much, the newest."""
    return [Placed(*row) for row in reversed(await connection.fetch(_PLACED, size, limit))]


async def growth_of(connection: Connection, size: int) -> Growth:
    """Raises ValueError when the tiles do not reach that far."""
    return Growth(size, await tiles(connection, edge_of(size)))


async def links_of(connection: Connection) -> dict[str, Link]:
    """Where the chain of each process goes on after what is in the log."""
    found = {}
    for row in await connection.fetch(_LAST):
        batch = Batch(**dict(row))
        found[batch.process] = Link(batch.number + 1, batch.hash)
    return found


async def waiting(
    connection: Connection, links: Mapping[str, Link], *, limit: int
) -> list[Mapping[str, Any]]:
    """Batches that are not in the log, process by process in their order."""
    numbers = [link.number for link in links.values()]
    rows: list[Mapping[str, Any]] = await connection.fetch(_WAITING, list(links), numbers, limit)
    return rows


async def records_of(
    connection: Connection, batches: list[Mapping[str, Any]]
) -> dict[int, list[Mapping[str, Any]]]:
    """By batch, of consecutive batches of one process."""
    rows = await connection.fetch(
        _RECORDS,
        batches[0]["process_id"],
        batches[0]["number"],
        batches[-1]["number"],
        min(batch["written_at"] for batch in batches) - _APART,
        max(batch["written_at"] for batch in batches) + _APART,
    )
    found: dict[int, list[Mapping[str, Any]]] = {batch["number"]: [] for batch in batches}
    for row in rows:
        found[row["batch"]].append(row)
    return found


async def put(connection: Connection, placed: list[Placed], tiles: Mapping[TileId, bytes]) -> None:
    await connection.execute(_PLACE, *map(list, zip(*placed, strict=True)))
    await connection.execute(
        _TILES,
        [tile.level for tile in tiles],
        [tile.number for tile in tiles],
        list(tiles.values()),
    )


async def tiles(connection: Connection, wanted: Iterable[TileId]) -> dict[TileId, bytes]:
    asked = list(wanted)
    rows = await connection.fetch(
        _TILES_OF, [tile.level for tile in asked], [tile.number for tile in asked]
    )
    return {TileId(row["level"], row["number"]): row["hashes"] for row in rows}


async def proof(connection: Connection, old: int, size: int) -> tuple[bytes, ...]:
    """That the log of the old size is the beginning of this one (RFC 6962, section 2.1.2)."""
    if not 0 < old < size:
        return ()
    plan = plans.consistency(old, size)
    return tuple(plans.resolve(plan, await tiles(connection, plans.tiles_of(plan))))


async def keep(
    connection: Connection, size: int, root: bytes, note: str, *, cosigned: bool
) -> None:
    await connection.execute(_CHECKPOINT, size, root, note, cosigned)


async def signed_sizes(connection: Connection) -> tuple[int, int]:
    """The largest size that was signed, and the largest that was cosigned."""
    row = await connection.fetchrow(_SIZES)
    return row["signed"], row["cosigned"]


FAILURES = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that was cut in mid-answer
)
"""What the way to the database may bring; all of it is tried again on a new connection."""
