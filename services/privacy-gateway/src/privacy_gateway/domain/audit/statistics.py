"""How many records there are of what, hour by hour or day by day, and nothing of any single one.

What concerns nobody in particular was counted when it came into the log; what concerns a person is
counted from that person's own records, which are few.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import func, select

from privacy_gateway.domain.audit.filters import Filters, counting
from privacy_gateway.domain.audit.query import Records
from privacy_gateway.models import RecordCount
from privity_database import Database
from privity_rest import Unprocessable

Period = Literal["hour", "day"]
Dimension = Literal["purpose", "role", "decision", "kind", "service"]
LONGEST = {"hour": timedelta(days=31), "day": timedelta(days=400)}
_COUNTED = ("purpose", "role", "decision", "kind", "service")


class TooLong(Unprocessable):
    code, title = "too_long", "Fewer hours or days at a time"


class OnlyOfAPerson(Unprocessable):
    code, title = "only_of_a_person", "Say also whose records, or by whom"


class Figures(NamedTuple):
    """One period and what was asked to be told apart in it."""

    since: datetime
    by: dict[str, str]
    records: int


def span(filters: Filters, period: Period, *, now: datetime) -> tuple[datetime, datetime]:
    """From when to when; a day or thirty when it is not said. Raises TooLong."""
    until = filters.until or now
    since = filters.since or until - timedelta(days=1 if period == "hour" else 30)
    if not timedelta(0) <= until - since <= LONGEST[period]:
        raise TooLong(errors=[("/since", TooLong.code)])
    return since, until


def within(filters: Filters, since: datetime, until: datetime) -> Filters:
    return replace(filters, since=since, until=until)


async def of_everything(
    database: Database,
    filters: Filters,
    *,
    period: Period,
    by: Iterable[Dimension],
    since: datetime,
    until: datetime,
) -> list[Figures]:
    """Whole hours, as they were counted. Raises OnlyOfAPerson."""
    for name in ("category", "recipient", "work"):
        if getattr(filters, name) is not None:
            raise OnlyOfAPerson(errors=[(f"/{name}", OnlyOfAPerson.code)])
    begun = func.date_trunc(period, RecordCount.hour, "UTC")
    columns = {name: getattr(RecordCount, name) for name in dict.fromkeys(by)}
    query = (
        select(begun, *columns.values(), func.sum(RecordCount.records))
        .where(
            RecordCount.hour >= since.replace(minute=0, second=0, microsecond=0),
            RecordCount.hour < until,
            *(
                getattr(RecordCount, name) == value
                for name in _COUNTED
                if (value := getattr(filters, name)) is not None
            ),
        )
        .group_by(begun, *columns.values())
        .order_by(begun, *columns.values())
    )
    async with database.transaction() as tx:
        rows = (await tx.execute(query)).all()
    return [
        Figures(row[0], dict(zip(columns, row[1:-1], strict=True)), int(row[-1])) for row in rows
    ]


async def of_a_person(
    records: Records,
    filters: Filters,
    *,
    period: Period,
    by: Iterable[Dimension],
    now: datetime,
) -> list[Figures]:
    """From the index of the subject or the actor. `service` is in no column."""
    columns = list(dict.fromkeys(by))
    if "service" in columns:
        raise Unprocessable(errors=[("/by", "not_of_a_person")])
    months = await records.months(filters, now=now)
    if not months:
        return []
    rows = await records.fetch(*counting(filters, months, period=period, by=columns))
    return [
        Figures(row["since"], {name: row[name] for name in columns}, row["records"]) for row in rows
    ]


def as_json(figures: Iterable[Figures]) -> list[dict[str, Any]]:
    return [{"since": each.since, **each.by, "records": each.records} for each in figures]
