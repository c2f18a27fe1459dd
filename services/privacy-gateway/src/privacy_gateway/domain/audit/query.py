"""Asking the audit store who saw what: by filters, newest first, page by page.

Columns only find a leaf. What is answered is worked out from the leaf again, and a record whose
columns say something else than its leaf is named as altered instead of being believed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from privacy_gateway.clients.line import LineFailed, Lines
from privacy_gateway.domain.audit import leaf, store
from privacy_gateway.domain.audit.cursor import Cursors, Position
from privacy_gateway.domain.audit.filters import COLUMNS, Filters, Month, statement, stretch
from privacy_gateway.domain.audit.log import StoreUnavailable
from privacy_gateway.domain.audit.openings import Opening
from privacy_gateway.domain.audit.store import Row
from privacy_gateway.domain.vault.vault import Vault

LARGEST_PAGE = 200
_OPENINGS = "SELECT tag, month, sealed FROM openings WHERE tag = ANY($1::text[])"
_ONE = f"SELECT {COLUMNS} FROM records WHERE id = $1"  # noqa: S608  # constants

_log = structlog.get_logger("privity.audit")


@dataclass(frozen=True, slots=True)
class Page:
    leaves: list[dict[str, Any]]
    """What the stored leaves say, newest first."""
    altered: list[str]
    """Ids of records whose columns and leaf disagree."""
    next_cursor: str | None
    """There may be more, also after a page that is not full."""


class Records:
    """The way to read the audit store, for as long as the process lives."""

    def __init__(
        self,
        url: str,
        vault: Vault,
        *,
        deadline_seconds: float = 1.5,
        stretch_records: int = 20_000,
    ) -> None:
        # Every search walks an index in the order of its answer and stops after a page. A planner
        # that has no statistics yet would collect and sort all that matches instead.
        self._lines = Lines(
            url,
            name="privity-audit-reading",
            deadline_seconds=deadline_seconds,
            count=4,
            settings={"enable_bitmapscan": "off", "enable_seqscan": "off"},
        )
        self._stretch = stretch_records
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
        months = await self._months(filters, now=now)
        if months == []:
            return Page([], [], None)
        if filters.category is not None and months is None:
            rows = await self._fetch(*stretch(filters, position, limit + 1, length=self._stretch))
            ended = rows.pop() if rows and rows[-1]["leaf"] is None else None
        else:
            rows = await self._fetch(*statement(filters, months, position, limit + 1))
            ended = None
        last = rows[limit - 1] if len(rows) > limit else ended
        believed = {row["id"]: _believed(row) for row in rows[:limit]}
        return Page(
            leaves=[members for members in believed.values() if members is not None],
            altered=[record_id for record_id, members in believed.items() if members is None],
            next_cursor=last
            and self._cursors.write(Position(last["recorded_at"], last["id"]), filters),
        )

    async def get(self, record_id: str) -> tuple[dict[str, Any], bool] | None:
        """The leaf and whether its columns agree with it; nothing when there is no such record."""
        rows = await self._fetch(_ONE, record_id)
        if not rows:
            return None
        members = _believed(rows[0])
        return (members, True) if members is not None else (leaf.read(rows[0]["leaf"]), False)

    async def openings(self, tags: list[str]) -> list[Opening]:
        return [Opening(*row) for row in await self._fetch(_OPENINGS, tags)] if tags else []

    async def _months(self, filters: Filters, *, now: datetime) -> list[Month] | None:
        """The subject's and the actor's tag, month by month; nothing when neither is asked for."""
        subject, actor = filters.subject, filters.actor
        persons = {
            p for p in (subject, actor) if p is not None and (p == subject or leaf.is_person(p))
        }
        if not persons:
            return None if actor is None else [Month(None, actor)]
        known = [await self._vault.known_since(person) for person in persons]
        begun = [moment for moment in known if moment is not None]
        if len(begun) < len(known):
            return []  # a person without a key has no record, or none that points at them
        # A day's grace: this clock and the one of the database may differ.
        since = max([*begun, filters.since or begun[0]]) - timedelta(days=1)
        found: list[Month] = []
        for month in _months(since, min(filters.until or now, now) + timedelta(days=1)):
            tags = await self._vault.tags(month, [(p, p) for p in persons], minting=False)
            one = None if subject is None else tags[subject, subject]
            found.append(Month(one, None if actor is None else tags.get((actor, actor), actor)))
        return found

    async def _fetch(self, question: str, *arguments: object) -> list[Any]:
        try:
            return await self._lines.fetch(question, *arguments)
        except LineFailed as exc:
            raise StoreUnavailable(
                f"the audit store did not answer: {type(exc).__name__}"
            ) from None


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
