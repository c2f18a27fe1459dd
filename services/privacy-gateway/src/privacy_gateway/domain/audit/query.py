"""Asking the audit store who saw what: by filters, newest first, page by page.

Columns only find a leaf. What is answered is worked out from the leaf again, and a record whose
columns say something else than its leaf is named as altered instead of being believed.
"""

from collections.abc import Mapping
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
from privity_rest import Unprocessable

LARGEST_PAGE = 200
_OPENINGS = "SELECT tag, month, sealed FROM openings WHERE tag = ANY($1::text[])"
_ONE = f"SELECT {COLUMNS} FROM records WHERE id = $1"  # noqa: S608  # constants

_log = structlog.get_logger("privity.audit")


class WorkOfNobody(Unprocessable):
    code, title = "work_of_nobody", "Say also whose work it is, or whom it concerns"


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
        months = await self.months(filters, now=now)
        if months == []:
            return Page([], [], None)
        if filters.in_no_index and not filters.persons:
            rows = await self.fetch(*stretch(filters, position, limit + 1, length=self._stretch))
            ended = rows.pop() if rows and rows[-1]["leaf"] is None else None
        else:
            rows = await self.fetch(*statement(filters, months, position, limit + 1))
            ended = None
        last = rows[limit - 1] if len(rows) > limit else ended
        read = {row["id"]: believed(row) for row in rows[:limit]}
        return Page(
            leaves=[members for members in read.values() if members is not None],
            altered=[record_id for record_id, members in read.items() if members is None],
            next_cursor=last
            and self._cursors.write(Position(last["recorded_at"], last["id"]), filters),
        )

    async def get(self, record_id: str) -> tuple[dict[str, Any], bool] | None:
        """The leaf and whether its columns agree with it; nothing when there is no such record."""
        rows = await self.fetch(_ONE, record_id)
        if not rows:
            return None
        members = believed(rows[0])
        return (members, True) if members is not None else (leaf.read(rows[0]["leaf"]), False)

    async def openings(self, tags: list[str]) -> list[Opening]:
        return [Opening(*row) for row in await self.fetch(_OPENINGS, tags)] if tags else []

    async def months(self, filters: Filters, *, now: datetime) -> list[Month] | None:
        """The tags of whoever is asked for, month by month; nothing when nobody is."""
        persons, what = filters.persons, filters.persons_work
        if not persons:
            if what is not None:
                raise WorkOfNobody(errors=[("/work", WorkOfNobody.code)])
            return None if filters.actor is None else [Month(None, filters.actor)]
        known = [await self._vault.known_since(person) for person in persons]
        begun = [moment for moment in known if moment is not None]
        if len(begun) < len(known):
            return []  # a person without a key has no record, or none that points at them
        # A day's grace: this clock and the one of the database may differ.
        since = max([*begun, filters.since or begun[0]]) - timedelta(days=1)
        pairs = [(person, person) for person in persons]
        pairs += [(person, what) for person in persons if what is not None]
        found: list[Month] = []
        for month in _months(since, min(filters.until or now, now) + timedelta(days=1)):
            found.append(_month(filters, await self._vault.tags(month, pairs, minting=False)))
        return found

    async def fetch(self, question: str, *arguments: object) -> list[Any]:
        """For those who read the store in an order of their own. Raises StoreUnavailable."""
        try:
            return await self._lines.fetch(question, *arguments)
        except LineFailed as exc:
            raise StoreUnavailable(
                f"the audit store did not answer: {type(exc).__name__}"
            ) from None


def _month(filters: Filters, tags: Mapping[tuple[str, str], str | None]) -> Month:
    subject, actor, work = filters.subject, filters.actor, filters.work
    what, works = filters.persons_work, []
    if work is not None and what is not None:
        held = (tags.get((person, what)) for person in filters.persons)
        works = [leaf.member("work", leaf.with_tag(work, what, tag)) for tag in held if tag]
    return Month(
        None if subject is None else tags[subject, subject],
        None if actor is None else tags.get((actor, actor), actor),
        (works[0] if works else None, works[1] if len(works) > 1 else None),
    )


def believed(row: Any) -> dict[str, Any] | None:
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
