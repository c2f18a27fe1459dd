"""What can be asked of the records, and the one statement that finds it, newest first.

A person's records are few, whatever else is asked: their index is walked and the rest filtered.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from privacy_gateway.domain.audit.cursor import Position

COLUMNS = (
    "id, recorded_at, leaf, kind, decision, purpose, role, subject_tag, actor_tag,"
    " array_to_string(categories, ' ') AS categories"
)

NEWEST_FIRST = "ORDER BY recorded_at DESC, id DESC"


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


class Month(NamedTuple):
    """The tags that the subject and the actor have in one month; nothing for who is not asked."""

    subject: str | None
    actor: str | None


def statement(
    filters: Filters, months: list[Month] | None, position: Position | None, limit: int
) -> tuple[Any, ...]:
    """The statement and its parameters, for all filters but a category alone."""
    asked = _Conditions()
    # An expression is in no index: with a person, that leaves the person's.
    apart = "" if months is None else " || ''"
    if filters.subject is not None:
        asked.add("subject_tag = months.subject")
    if filters.actor is not None:
        asked.add(f"actor_tag{apart if filters.subject else ''} = months.actor")
    asked.add_times(filters, position)
    asked.add_equal(f"purpose{apart}", filters.purpose)
    asked.add_equal(f"kind{apart}", filters.kind)
    asked.add_decision(filters.decision)
    if filters.category is not None:
        asked.add(f"categories @> ARRAY[{asked.holding(filters.category)}::text]")
    order = f"{NEWEST_FIRST} LIMIT {limit:d}"
    found = f"SELECT {COLUMNS} FROM records WHERE {asked} {order}"  # noqa: S608  # only constants and $n
    if months is None:
        return (found, *asked.arguments)
    subjects = asked.holding([month.subject for month in months])
    actors = asked.holding([month.actor for month in months])
    # Month by month, so that each part reads its index from the newest end and stops.
    by_month = (
        f"SELECT found.* FROM unnest({subjects}::text[], {actors}::text[])"  # noqa: S608  # as above
        f" AS months (subject, actor) CROSS JOIN LATERAL ({found}) AS found {order}"
    )
    return (by_month, *asked.arguments)


def stretch(
    filters: Filters, position: Position | None, limit: int, *, length: int
) -> tuple[Any, ...]:
    """For a category without a person: what a stretch of so many records holds of it.

    Most categories are in most records and some in hardly any: no index serves both. A stretch
    costs the same for either. The last row, without a leaf, says where it ended if it was full.
    """
    asked = _Conditions()
    asked.add_times(filters, position)
    asked.add_equal("purpose", filters.purpose)
    asked.add_equal("kind", filters.kind)
    asked.add_decision(filters.decision)
    category = asked.holding(filters.category)
    return (
        f"WITH walked AS MATERIALIZED (SELECT id, recorded_at, categories FROM records"  # noqa: S608
        f" WHERE {asked} {NEWEST_FIRST} LIMIT {length:d}),"
        f" hits AS (SELECT id FROM walked WHERE categories @> ARRAY[{category}::text]"
        f" {NEWEST_FIRST} LIMIT {limit:d}),"
        f" ended AS (SELECT id, recorded_at FROM walked ORDER BY recorded_at, id LIMIT 1)"
        f" SELECT {COLUMNS} FROM records WHERE id IN (SELECT id FROM hits)"
        f" UNION ALL SELECT id, recorded_at, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
        f" FROM ended WHERE (SELECT count(*) FROM walked) = {length:d}"
        f" ORDER BY recorded_at DESC, id DESC, kind NULLS LAST",
        *asked.arguments,
    )


class _Conditions:
    """Conditions and the parameters that they hold."""

    def __init__(self) -> None:
        self._all: list[str] = []
        self.arguments: list[object] = []

    def __str__(self) -> str:
        return " AND ".join(self._all) or "true"

    def holding(self, value: object) -> str:
        self.arguments.append(value)
        return f"${len(self.arguments)}"

    def add(self, condition: str) -> None:
        self._all.append(condition)

    def add_equal(self, expression: str, value: str | None) -> None:
        if value is not None:
            self.add(f"{expression} = {self.holding(value)}")

    def add_decision(self, decision: str | None) -> None:
        if decision == "refuse":
            self.add("decision = 'refuse'")  # word for word as the index of refusals has it
        else:
            self.add_equal("decision", decision)

    def add_times(self, filters: Filters, position: Position | None) -> None:
        if filters.since is not None:
            self.add(f"recorded_at >= {self.holding(filters.since)}")
        if filters.until is not None:
            self.add(f"recorded_at < {self.holding(filters.until)}")
        if position is not None:
            at, record_id = self.holding(position.recorded_at), self.holding(position.record_id)
            self.add(f"(recorded_at, id) < ({at}, {record_id})")
