"""Reading and checking many records at once, in as many processes as there are processors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import asyncpg

from privity_transparency.batch import Batch
from privity_transparency.merkle import leaf_hash
from privity_transparency.verifier.chains import signature_holds
from privity_transparency.verifier.examination import Neat, Row, neat
from privity_transparency.verifier.findings import Fault
from privity_transparency.verifier.record import Columns, NotCanonical, differing, read

COLUMNS = """r.process_id, r.batch, r.position, r.leaf, r.id, r.recorded_at, r.kind, r.decision,
r.purpose, r.role, r.subject_tag, r.actor_tag, r.categories"""
_OF_BATCHES = f"""
SELECT {COLUMNS} FROM unnest($1::text[], $2::bigint[]) AS wanted (process_id, number)
JOIN records r ON r.process_id = wanted.process_id AND r.batch = wanted.number
"""  # noqa: S608  # our own names of columns


class Signed(NamedTuple):
    """A batch to be checked, with the key that its process has."""

    batch: Batch
    signature: bytes
    public_key: bytes | None


class Task(NamedTuple):
    """Batches whose rows are read together. `snapshot`: all readers see one state."""

    dsn: str
    snapshot: str | None
    batches: tuple[tuple[str, int], ...]
    signed: tuple[Signed | None, ...]


class Checked(NamedTuple):
    """For each batch of the task: its rows, and whether its signature holds."""

    rows: list[Neat | list[Row]]
    signed: list[bool]


def checked(record: Sequence[Any]) -> Row:
    """From a row in the order of COLUMNS."""
    leaf = record[3]
    columns = Columns(*record[4:13])
    problems: list[tuple[Fault, str]] = []
    named = columns.id
    try:
        members = read(leaf)
    except NotCanonical as wrong:
        problems.append((Fault.NOT_CANONICAL, str(wrong)))
    else:
        for column in differing(columns, members):
            problems.append((Fault.COLUMN, f"{column} is not what the leaf says"))
        said = members.get("id")
        named = said if isinstance(said, str) else named
    return Row(record[2], named, leaf_hash(leaf), tuple(problems))


async def run(task: Task) -> Checked:
    connection = await connected(task.dsn, task.snapshot)
    try:
        records = await connection.fetch(
            _OF_BATCHES,
            [process_id for process_id, _ in task.batches],
            [number for _, number in task.batches],
        )
    finally:
        await connection.close()
    by_batch: dict[tuple[str, int], list[Row]] = {each: [] for each in task.batches}
    for record in records:
        by_batch[record[0], record[1]].append(checked(record))
    holds = [
        each is not None
        and each.public_key is not None
        and signature_holds(each.batch, each.signature, each.public_key)
        for each in task.signed
    ]
    return Checked([neat(by_batch[each]) for each in task.batches], holds)


async def connected(dsn: str, snapshot: str | None) -> asyncpg.Connection:
    """A connection that only reads, from the shared snapshot if there is one."""
    connection = await asyncpg.connect(dsn, server_settings={"TimeZone": "UTC"})
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    if snapshot is not None:
        await connection.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
    # A few batches out of millions, each by its index: the planner must not read everything.
    await connection.execute("SET LOCAL enable_seqscan = off")
    await connection.execute("SET LOCAL enable_hashjoin = off")
    await connection.execute("SET LOCAL enable_mergejoin = off")
    return connection
