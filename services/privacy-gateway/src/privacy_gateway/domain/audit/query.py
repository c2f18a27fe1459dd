"""Asking the audit store who saw what: by filters, newest first, page by page.

Columns only find a leaf. What is answered is worked out from the leaf again, and a record whose
columns say something else than its leaf is named as altered instead of being believed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import structlog

from privacy_gateway.clients.line import Lines, NotDurable, Unanswered, Unreachable
from privacy_gateway.domain.audit import leaf, store
from privacy_gateway.domain.audit.cursor import Cursors, Position
from privacy_gateway.domain.audit.log import StoreUnavailable
from privacy_gateway.domain.audit.openings import Opening
from privacy_gateway.domain.audit.store import Row
from privacy_gateway.domain.vault.vault import Vault

LARGEST_PAGE = 200
_COLUMNS = (
    "id, recorded_at, leaf, kind, decision, purpose, role, subject_tag, actor_tag,"
    " array_to_string(categories, ' ') AS categories"
)
_OPENINGS = "SELECT tag, month, sealed FROM openings WHERE tag = ANY($1::text[])"
_ONE = f"SELECT {_COLUMNS} FROM records WHERE id = $1"  # noqa: S608  # constants

_log = structlog.get_logger("privity.audit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """All of them must hold; `since` is included, `until` is not."""

    subject: str | None = None
    actor: str | None = None
    purpose: str | None = None
    category: str | None = None
    decision: str | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    leaves: list[dict[str, Any]]
    """What the stored leaves say, newest first."""
    altered: list[str]
    """Ids of records whose columns and leaf disagree."""
    next_cursor: str | None


class Records:
    """The way to read the audit store, for as long as the process lives."""

    def __init__(self, url: str, vault: Vault, *, deadline_seconds: float = 1.5) -> None:
        self._lines = Lines(
            url, name="privity-audit-reading", deadline_seconds=deadline_seconds, count=4
        )
        self._vault = vault
        self._cursors = Cursors(vault.derived_key("audit cursor"))

    def close(self) -> None:
        self._lines.cut()

    async def search(
        self, filters: Filters, *, now: datetime, limit: int = 50, cursor: str | None = None
    ) -> Page:
        """Raises BadCursor for one that was altered or belongs to another search."""
        limit = min(limit, LARGEST_PAGE)
        position = None if cursor is None else self._cursors.read(cursor, filters)
        tags = await self._tags(filters, now=now)
        if tags == []:
            return Page([], [], None)
        rows = await self._fetch(*_statement(filters, tags, position, limit + 1))
        shown, more = rows[:limit], len(rows) > limit
        found, altered = [], []
        for row in shown:
            members = _believed(row)
            if members is None:
                altered.append(row["id"])
            else:
                found.append(members)
        last = Position(shown[-1]["recorded_at"], shown[-1]["id"]) if more else None
        return Page(found, altered, None if last is None else self._cursors.write(last, filters))

    async def get(self, record_id: str) -> tuple[dict[str, Any], bool] | None:
        """The leaf and whether its columns agree with it; nothing when there is no such record."""
        rows = await self._fetch(_ONE, record_id)
        if not rows:
            return None
        members = _believed(rows[0])
        return (members, True) if members is not None else (leaf.read(rows[0]["leaf"]), False)

    async def openings(self, tags: list[str]) -> list[Opening]:
        return [Opening(*row) for row in await self._fetch(_OPENINGS, tags)] if tags else []

    async def _tags(
        self, filters: Filters, *, now: datetime
    ) -> list[tuple[str | None, str | None]] | None:
        """The subject's and the actor's tag, month by month; nothing when neither is asked for."""
        subject, actor = filters.subject, filters.actor
        persons = {
            p for p in (subject, actor) if p is not None and (p == subject or leaf.is_person(p))
        }
        if not persons:
            return None if actor is None else [(None, actor)]
        known = [await self._vault.known_since(person) for person in persons]
        begun = [moment for moment in known if moment is not None]
        if len(begun) < len(known):
            return []  # a person without a key has no record, or none that points at them
        # A day's grace: this clock and the one of the database may differ.
        since = max([*begun, filters.since or begun[0]]) - timedelta(days=1)
        pairs: list[tuple[str | None, str | None]] = []
        for month in _months(since, min(filters.until or now, now) + timedelta(days=1)):
            tags = await self._vault.tags(month, [(p, p) for p in persons], minting=False)
            one = None if subject is None else tags[subject, subject]
            pairs.append((one, None if actor is None else tags.get((actor, actor), actor)))
        return pairs

    async def _fetch(self, statement: str, *arguments: object) -> list[Any]:
        try:
            return await self._lines.fetch(statement, *arguments)
        except (Unanswered, Unreachable, NotDurable, asyncpg.PostgresError) as exc:
            raise StoreUnavailable(
                f"the audit store did not answer: {type(exc).__name__}"
            ) from None


def _statement(
    filters: Filters,
    tags: list[tuple[str | None, str | None]] | None,
    position: Position | None,
    limit: int,
) -> tuple[Any, ...]:
    arguments: list[object] = []

    def holding(value: object) -> str:
        arguments.append(value)
        return f"${len(arguments)}"

    conditions = [
        f"{column} {operator} {holding(value)}"
        for column, operator, value in (
            ("purpose", "=", filters.purpose),
            ("kind", "=", filters.kind),
            ("decision", "=", filters.decision),
            ("recorded_at", ">=", filters.since),
            ("recorded_at", "<", filters.until),
        )
        if value is not None
    ]
    if filters.category is not None:
        conditions.append(f"categories @> ARRAY[{holding(filters.category)}::text]")
    if position is not None:
        at, record_id = holding(position.recorded_at), holding(position.record_id)
        conditions.append(f"(recorded_at, id) < ({at}, {record_id})")
    if filters.subject is not None:
        conditions.append("subject_tag = months.subject")
    if filters.actor is not None:
        conditions.append("actor_tag = months.actor")
    where = " AND ".join(conditions) or "true"
    order = f"ORDER BY recorded_at DESC, id DESC LIMIT {limit:d}"
    # Only constants and numbered parameters are put together here.
    statement = f"SELECT {_COLUMNS} FROM records WHERE {where} {order}"  # noqa: S608
    if tags is None:
        return (statement, *arguments)
    subjects, actors = holding([pair[0] for pair in tags]), holding([pair[1] for pair in tags])
    # Month by month, so that each part reads its index from the newest end and stops.
    statement = (
        f"SELECT found.* FROM unnest({subjects}::text[], {actors}::text[])"  # noqa: S608
        f" AS months (subject, actor) CROSS JOIN LATERAL ({statement}) AS found {order}"
    )
    return (statement, *arguments)


def _believed(row: Any) -> dict[str, Any] | None:
    """What the leaf says, if the columns say the same."""
    content = bytes(row["leaf"])
    try:
        agreed = store.row_from(content) == Row(**{name: row[name] for name in Row._fields})
    except (ValueError, KeyError, TypeError, AttributeError):
        agreed = False
    if not agreed:
        _log.error("record_altered", record=row["id"])
        return None
    return leaf.read(content)


def _months(since: datetime, until: datetime) -> list[str]:
    """Newest first."""
    months = []
    year, month = until.year, until.month
    while (year, month) >= (since.astimezone(UTC).year, since.astimezone(UTC).month):
        months.append(f"{year:04d}-{month:02d}")
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    return months
