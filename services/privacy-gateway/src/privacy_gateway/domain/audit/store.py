"""Appending to the audit store: one statement, one transaction, one fsync for a whole batch."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg

from privacy_gateway.clients.line import Line
from privacy_gateway.domain.audit import leaf
from privacy_gateway.domain.audit.access import Access
from privacy_gateway.domain.audit.openings import Opening
from privacy_gateway.domain.audit.segment import Certified, Segment, Signed

_APPEND = """
WITH signed AS (
    INSERT INTO batches (process_id, number, previous, records, leaves, signature, written_at)
    VALUES ($14, $15, $16, $17, $18, $19, $20)
), opened AS (
    INSERT INTO openings (tag, month, sealed)
    SELECT * FROM unnest($11::text[], $12::text[], $13::text[])
    ON CONFLICT (tag) DO NOTHING
)
INSERT INTO records (id, recorded_at, leaf, kind, decision, purpose, role, subject_tag, actor_tag,
                     categories, process_id, batch, position)
SELECT id, recorded_at, leaf, kind, decision, purpose, role, subject_tag, actor_tag,
       string_to_array(categories, ' '), $14, $15, position - 1
FROM unnest($1::text[], $2::timestamptz[], $3::bytea[], $4::text[], $5::text[], $6::text[],
            $7::text[], $8::text[], $9::text[], $10::text[])
  WITH ORDINALITY AS r (id, recorded_at, leaf, kind, decision, purpose, role,
                        subject_tag, actor_tag, categories, position)
"""
_MONTHS_OF = """
SELECT make_month(moment) FROM (
    SELECT min(moment) AS moment FROM unnest($1::timestamptz[]) AS moment
    GROUP BY date_trunc('month', moment AT TIME ZONE 'UTC')
) AS months
"""
_INTRODUCE = """
INSERT INTO processes (process_id, public_key, certificate, started_at)
SELECT * FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::timestamptz[])
ON CONFLICT DO NOTHING
"""
_LAST = "SELECT max(number) AS number FROM batches WHERE process_id = $1"
_NUMBERS = "SELECT number FROM batches WHERE process_id = $1 AND number = ANY($2::bigint[])"
_COUNTS = """
SELECT (SELECT count(*) FROM batches
        WHERE process_id = held.process AND number BETWEEN held.first AND held.last)
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) WITH ORDINALITY
  AS held (process, first, last, position)
ORDER BY position
"""
_AT_ONCE = 16
"""Segments that one statement counts the batches of: it must be answered within the deadline."""
_STORED = "SELECT signature FROM batches WHERE process_id = $1 AND number = $2"


class RecordAltered(Exception):
    """Something else is in its place. Nothing that relies on it may go on."""


class Row(NamedTuple):
    """The leaf, and the columns by which it is found. What is true is the leaf."""

    id: str
    recorded_at: datetime
    leaf: bytes
    kind: str
    decision: str
    purpose: str
    role: str
    subject_tag: str | None
    actor_tag: str
    categories: str


def row_of(
    access: Access, *, record_id: str, now: datetime, content: bytes, tags: leaf.Tags
) -> Row:
    actor, subject = access.actor, access.subject
    return Row(
        id=record_id,
        recorded_at=now,
        leaf=content,
        kind=access.kind,
        decision=access.decision,
        purpose=access.purpose,
        role=access.role,
        subject_tag=None if subject is None else tags[subject, subject],
        actor_tag=tags.get((actor, actor), actor),
        categories=leaf.fields_of(access.fields).categories,
    )


def row_from(content: bytes) -> Row:
    """The same row, worked out from the leaf alone: what the columns should say."""
    members = leaf.read(content)
    fields = members["fields"].values()
    return Row(
        id=members["id"],
        recorded_at=datetime.fromisoformat(members["at"]),
        leaf=content,
        kind=members["kind"],
        decision=members["decision"],
        purpose=members["purpose"],
        role=members["role"],
        subject_tag=members.get("subject"),
        actor_tag=members["actor"],
        categories=" ".join(sorted({category for by_name in fields for category in by_name})),
    )


async def make_months(line: Line) -> None:
    """This month's place for records and those of the next two, before they begin."""
    await line.fetch("SELECT make_months(2)")


async def append(line: Line, signed: Signed, rows: Sequence[Row]) -> None:
    """Returns when the batch with all its rows is durable; it is there whole or not at all."""
    # In one order everywhere: two processes that add the same openings would block each other.
    ordered = sorted({opening.tag: opening for opening in signed.openings}.values())
    batch = signed.batch
    arguments = [
        *map(list, zip(*rows, strict=True)),
        *_columns(ordered),
        batch.process,
        batch.number,
        batch.previous,
        batch.records,
        batch.leaves,
        signed.signature,
        signed.written_at,
    ]
    try:
        await line.fetch(_APPEND, *arguments)
    except asyncpg.CheckViolationError as exc:
        if exc.constraint_name is not None:
            raise
        # A month that nobody made a place for: the statement did nothing, and is sent again.
        await line.fetch(_MONTHS_OF, [row.recorded_at for row in rows])
        await line.fetch(_APPEND, *arguments)


async def introduce(line: Line, *certified: Certified) -> None:
    """Whose batches will follow; a second time changes nothing."""
    if certified:
        # In one order everywhere: two that introduce the same processes would block each other.
        every = sorted(certified, key=lambda each: each.process.process)
        await line.fetch(
            _INTRODUCE,
            [process.process for process, _ in every],
            [process.public_key for process, _ in every],
            [certificate for _, certificate in every],
            [process.started_at for process, _ in every],
        )


async def last_number(line: Line, process_id: str) -> int:
    """Of the newest batch of this process in the store; -1 when there is none."""
    [[number]] = await line.fetch(_LAST, process_id)
    return -1 if number is None else int(number)


async def numbers(line: Line, batches: Sequence[Signed]) -> set[int]:
    """Which of the numbers of these batches, all of one process, the store has."""
    if not batches:
        return set()
    wanted = [signed.batch.number for signed in batches]
    rows = await line.fetch(_NUMBERS, batches[0].batch.process, wanted)
    return {row["number"] for row in rows}


async def lacking(line: Line, segments: Sequence[Segment]) -> list[Segment]:
    """Those of whose numbers the store has not every single one."""
    asked = [each for each in segments if each.last >= 0]
    found: list[Segment] = []
    for begin in range(0, len(asked), _AT_ONCE):
        some = asked[begin : begin + _AT_ONCE]
        rows = await line.fetch(
            _COUNTS,
            [each.owner.process.process for each in some],
            [each.first for each in some],
            [each.last for each in some],
        )
        for each, [count] in zip(some, rows, strict=True):
            if count <= each.last - each.first:
                found.append(each)
    return found


async def holds(line: Line, signed: Signed) -> bool:
    """Whether the store has this very batch. Raises RecordAltered when it has another."""
    rows = await line.fetch(_STORED, signed.batch.process, signed.batch.number)
    if rows and rows[0]["signature"] != signed.signature:
        raise RecordAltered("the store has another batch in this one's place")
    return bool(rows)


def _columns(openings: Sequence[Opening]) -> tuple[list[str], list[str], list[str]]:
    return (
        [opening.tag for opening in openings],
        [opening.month for opening in openings],
        [opening.sealed for opening in openings],
    )
