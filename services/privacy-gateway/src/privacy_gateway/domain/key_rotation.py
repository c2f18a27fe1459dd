"""Rotating while the gateway serves: what is wrapped is wrapped anew, in batches that resume.

Where it stands is in the tables themselves: what is still under an earlier key is what is left to
do. A job that is killed loses one batch of work, and may be started again, also beside itself.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, NamedTuple

from privacy_gateway.domain.vault.kek import (
    Belonging,
    KeyEncryption,
    NotUnwrapped,
    Wrapped,
)
from privacy_gateway.domain.vault.key_cache import Place
from privacy_gateway.domain.vault.key_table import AUDIT_TAG

BATCH = 500


class Wrappings(NamedTuple):
    """A table of wrapped keys: `id`, `wrapped`, `kek_id`, and what a row's wrapping is bound to."""

    name: str
    rows: str
    belonging: Callable[[Any], Belonging]
    table: str
    id: str


DATA_KEYS = Wrappings(
    "data keys",
    "data_keys WHERE destroyed_at IS NULL",
    lambda row: Belonging(
        row["key_id"], *Place(row["subject"], row["scope"], row["retention_class"])
    ),
    "data_keys",
    "key_id",
)
RING_KEYS = Wrappings(
    "keys of the gateway's own",
    "ring_keys WHERE true",
    lambda row: Belonging(row["key_id"], "gateway", f"ring/{row['ring']}", row["ring"]),
    "ring_keys",
    "key_id",
)
WEBHOOK_SECRETS = Wrappings(
    "webhook secrets",
    "webhook_secrets WHERE true",
    lambda row: Belonging(
        row["id"], row["recipient_id"], f"recipient/{row['recipient_id']}", f"{row['use']}_secret"
    ),
    "webhook_secrets",
    "id",
)


class Progress(NamedTuple):
    of: str
    done: int
    left: int
    unreadable: int
    """They do not unwrap: damaged, or moved from another row. They stay as they are."""


async def rewrap(
    connection: Any, keks: KeyEncryption, what: Wrappings, *, batch: int = BATCH
) -> AsyncIterator[Progress]:
    """Yields after each batch, and once at the end. Raises KeyEncryptionUnavailable."""
    done = unreadable = 0
    target = await keks.current()
    total = await left(connection, what, target)
    for kek_id in await _earlier(connection, what, target):
        after = ""
        while rows := await connection.fetch(
            f"SELECT * FROM {what.rows} AND kek_id = $1 AND {what.id} > $2"  # noqa: S608
            f" ORDER BY {what.id} LIMIT $3",
            *(kek_id, after, batch),
        ):
            after = rows[-1][what.id]
            moved, lost = await _rewrapped(connection, keks, what, rows)
            done, unreadable = done + moved, unreadable + lost
            yield Progress(what.name, done, max(0, total - done), unreadable)
    yield Progress(what.name, done, await left(connection, what, target), unreadable)


async def left(connection: Any, what: Wrappings, target: str) -> int:
    count: int = await connection.fetchval(
        f"SELECT count(*) FROM {what.rows} AND kek_id <> $1",  # noqa: S608  # constants
        target,
    )
    return count


async def under(connection: Any, what: Wrappings, kek_id: str) -> int:
    """How many are wrapped by this one."""
    count: int = await connection.fetchval(
        f"SELECT count(*) FROM {what.rows} AND kek_id = $1",  # noqa: S608  # constants
        kek_id,
    )
    return count


async def retire_data_keys(connection: Any, *, batch: int = BATCH) -> AsyncIterator[list[str]]:
    """Every current key seals no more from here on; yields the ids that every process must drop.

    The next value at a place is sealed under a new key. Keys that are minted meanwhile stay.
    """
    after, until = "", await connection.fetchval("SELECT clock_timestamp()")
    while True:
        rows = await connection.fetch(
            "UPDATE data_keys SET retired_at = now() WHERE key_id IN ("
            " SELECT key_id FROM data_keys WHERE retired_at IS NULL AND destroyed_at IS NULL"
            " AND retention_class <> $1 AND created_at <= $2 AND key_id > $3"
            " ORDER BY key_id LIMIT $4) AND retired_at IS NULL AND destroyed_at IS NULL"
            " RETURNING key_id",
            *(AUDIT_TAG, until, after, batch),
        )
        if not rows:
            return
        after = max(row["key_id"] for row in rows)
        yield [row["key_id"] for row in rows]


async def _earlier(connection: Any, what: Wrappings, target: str) -> list[str]:
    rows = await connection.fetch(
        f"SELECT DISTINCT kek_id FROM {what.rows} AND kek_id <> $1 ORDER BY 1",  # noqa: S608
        target,
    )
    return [row["kek_id"] for row in rows]


async def _rewrapped(
    connection: Any, keks: KeyEncryption, what: Wrappings, rows: Sequence[Any]
) -> tuple[int, int]:
    """How many were wrapped anew, and how many cannot be."""

    async def anew(row: Any) -> Wrapped | None:
        belonging = what.belonging(row)
        try:
            material = await keks.unwrap(Wrapped(row["kek_id"], row["wrapped"]), belonging)
        except NotUnwrapped:
            return None
        return await keks.wrap(material, belonging)

    made = await asyncio.gather(*(anew(row) for row in rows))
    pairs = [(row, new) for row, new in zip(rows, made, strict=True) if new is not None]
    # Only where nothing has changed in between: no lock is held while a key service answers.
    await connection.execute(
        f"UPDATE {what.table} AS row SET wrapped = new.wrapped, kek_id = new.kek_id"  # noqa: S608
        " FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::text[])"
        f" AS new (id, was, wrapped, kek_id)"
        f" WHERE row.{what.id} = new.id AND row.wrapped = new.was",
        [row[what.id] for row, _ in pairs],
        [row["wrapped"] for row, _ in pairs],
        [new.text for _, new in pairs],
        [new.kek_id for _, new in pairs],
    )
    return len(pairs), len(rows) - len(pairs)
