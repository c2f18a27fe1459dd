"""Appending to the audit store: one statement, one transaction, one fsync for a whole batch."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg

from privacy_gateway.clients.line import Line
from privacy_gateway.domain.audit import leaf
from privacy_gateway.domain.audit.access import Access
from privacy_gateway.domain.audit.openings import Opening

_APPEND = """
WITH opened AS (
    INSERT INTO openings (tag, month, sealed)
    SELECT * FROM unnest($11::text[], $12::text[], $13::text[])
    ON CONFLICT (tag) DO NOTHING
), added AS (
    INSERT INTO records (id, recorded_at, leaf, kind, decision, purpose, role,
                         subject_tag, actor_tag, categories)
    SELECT id, recorded_at, leaf, kind, decision, purpose, role,
           subject_tag, actor_tag, string_to_array(categories, ' ')
    FROM unnest($1::text[], $2::timestamptz[], $3::bytea[], $4::text[], $5::text[], $6::text[],
                $7::text[], $8::text[], $9::text[], $10::text[])
      AS r (id, recorded_at, leaf, kind, decision, purpose, role,
            subject_tag, actor_tag, categories)
    ON CONFLICT (id, recorded_at) DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM added
"""
_MONTHS_OF = """
SELECT make_month(moment) FROM (
    SELECT min(moment) AS moment FROM unnest($1::timestamptz[]) AS moment
    GROUP BY date_trunc('month', moment AT TIME ZONE 'UTC')
) AS months
"""
_LEAVES = "SELECT id, leaf FROM records WHERE id = ANY($1::text[])"


class RecordAltered(Exception):
    """Another record has this id. Nothing that asked for it may go on."""


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


async def append(line: Line, rows: Sequence[Row], openings: Sequence[Opening]) -> None:
    """Returns when all of them are durable. The same rows a second time change nothing."""
    # In one order everywhere: two processes that add the same openings would block each other.
    ordered = sorted({opening.tag: opening for opening in openings}.values())
    arguments = [*map(list, zip(*rows, strict=True)), *_columns(ordered)]
    try:
        [[added]] = await line.fetch(_APPEND, *arguments)
    except asyncpg.CheckViolationError as exc:
        if exc.constraint_name is not None:
            raise
        # A month that nobody made a place for: the statement did nothing, and is sent again.
        await line.fetch(_MONTHS_OF, [row.recorded_at for row in rows])
        [[added]] = await line.fetch(_APPEND, *arguments)
    if added < len(rows):
        stored = {row["id"]: row["leaf"] for row in await line.fetch(_LEAVES, [r.id for r in rows])}
        if any(stored.get(row.id) != row.leaf for row in rows):
            raise RecordAltered("an id of this batch belongs to another record")


def _columns(openings: Sequence[Opening]) -> tuple[list[str], list[str], list[str]]:
    return (
        [opening.tag for opening in openings],
        [opening.month for opening in openings],
        [opening.sealed for opening in openings],
    )
