"""What can be asked of the records, and the one statement that finds it, newest first.

A person's records are few, whatever else is asked: their index is walked and the rest filtered.
What no column holds is looked for in the leaf itself: it is canonical JSON whose values hold no
quotation mark, so a member is found as the bytes that it is written as.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from privacy_gateway.domain.audit import leaf
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
    role: str | None = None
    recipient: str | None = None
    service: str | None = None
    work: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def persons(self) -> list[str]:
        """Whose tags it takes to ask this."""
        named = [self.subject] if self.subject is not None else []
        if self.actor is not None and leaf.is_person(self.actor) and self.actor not in named:
            named.append(self.actor)
        return named

    @property
    def persons_work(self) -> str | None:
        """The id in `work`, if it stands there as a tag."""
        return None if self.work is None else leaf.id_in(self.work)

    @property
    def in_no_index(self) -> bool:
        """Whether something is asked that leaves any number of records to look through."""
        rest = (self.category, self.role, self.recipient, self.service, self.work)
        return any(each is not None for each in rest)


class Month(NamedTuple):
    """The tags that the subject and the actor have in one month, and the work as leaves of that
    month have it, under the subject's key or the actor's; nothing for what is not asked."""

    subject: str | None
    actor: str | None
    works: tuple[bytes | None, bytes | None] = (None, None)


def statement(
    filters: Filters, months: list[Month] | None, position: Position | None, limit: int
) -> tuple[Any, ...]:
    """The statement and its parameters, for what an index finds."""
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
    asked.add_the_rest(filters)
    order = f"{NEWEST_FIRST} LIMIT {limit:d}"
    if months is None:
        found = f"SELECT {COLUMNS} FROM records WHERE {asked} {order}"  # noqa: S608  # only constants and $n
        return (found, *asked.arguments)
    if filters.persons_work is not None:
        asked.add("(position(months.work in leaf) > 0 OR position(months.other_work in leaf) > 0)")
    subjects = asked.holding([month.subject for month in months])
    actors = asked.holding([month.actor for month in months])
    works = asked.holding([month.works[0] for month in months])
    others = asked.holding([month.works[1] for month in months])
    found = f"SELECT {COLUMNS} FROM records WHERE {asked} {order}"  # noqa: S608  # as above
    # Month by month, so that each part reads its index from the newest end and stops.
    by_month = (
        f"SELECT found.* FROM unnest({subjects}::text[], {actors}::text[], {works}::bytea[],"  # noqa: S608  # as above
        f" {others}::bytea[]) AS months (subject, actor, work, other_work)"
        f" CROSS JOIN LATERAL ({found}) AS found {order}"
    )
    return (by_month, *asked.arguments)


def stretch(
    filters: Filters, position: Position | None, limit: int, *, length: int
) -> tuple[Any, ...]:
    """For what no index finds, without a person: what a stretch of so many records holds of it.

    Most categories are in most records and some in hardly any: no index serves both. A stretch
    costs the same for either. The last row, without a leaf, says where it ended if it was full.
    """
    asked = _Conditions()
    asked.add_times(filters, position)
    asked.add_equal("actor_tag", filters.actor)
    asked.add_equal("purpose", filters.purpose)
    asked.add_equal("kind", filters.kind)
    asked.add_decision(filters.decision)
    hits = _Conditions(asked.arguments)
    hits.add_the_rest(filters)
    return (
        f"WITH walked AS MATERIALIZED (SELECT id, recorded_at, {hits} AS hit FROM records"  # noqa: S608
        f" WHERE {asked} {NEWEST_FIRST} LIMIT {length:d}),"
        f" hits AS (SELECT id, recorded_at FROM walked WHERE hit"
        f" {NEWEST_FIRST} LIMIT {limit:d}),"
        f" ended AS (SELECT id, recorded_at FROM walked ORDER BY recorded_at, id LIMIT 1)"
        f" SELECT {COLUMNS} FROM records"
        f" WHERE (id, recorded_at) IN (SELECT id, recorded_at FROM hits)"
        f" UNION ALL SELECT id, recorded_at, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
        f" FROM ended WHERE (SELECT count(*) FROM walked) = {length:d}"
        f" ORDER BY recorded_at DESC, id DESC, kind NULLS LAST",
        *asked.arguments,
    )


def counting(
    filters: Filters, months: list[Month], *, period: str, by: Sequence[str]
) -> tuple[Any, ...]:
    """How many records of a person there are, by period and columns."""
    asked = _Conditions()
    for column, held in (
        ("subject_tag", [month.subject for month in months]),
        ("actor_tag", [month.actor for month in months]),
    ):
        if any(tag is not None for tag in held):
            asked.add(f"{column} = ANY({asked.holding(held)}::text[])")
    asked.add_times(filters, None)
    asked.add_equal("purpose", filters.purpose)
    asked.add_equal("kind", filters.kind)
    asked.add_decision(filters.decision)
    asked.add_the_rest(filters)
    if filters.persons_work is not None:
        works = asked.holding([work for month in months for work in month.works if work])
        asked.add(
            f"EXISTS (SELECT FROM unnest({works}::bytea[]) work WHERE position(work in leaf) > 0)"
        )
    columns = "".join(f", {name}" for name in by)
    numbers = ", ".join(str(number) for number in range(1, len(by) + 2))
    return (
        f"SELECT date_trunc({asked.holding(period)}, recorded_at, 'UTC') AS since{columns},"  # noqa: S608
        f" count(*) AS records FROM records WHERE {asked} GROUP BY {numbers} ORDER BY {numbers}",
        *asked.arguments,
    )


class _Conditions:
    """Conditions and the parameters that they hold."""

    def __init__(self, arguments: list[object] | None = None) -> None:
        self._all: list[str] = []
        self.arguments: list[object] = [] if arguments is None else arguments

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

    def add_the_rest(self, filters: Filters) -> None:
        """What no index of all records has."""
        self.add_equal("role", filters.role)
        if filters.category is not None:
            self.add(f"categories @> ARRAY[{self.holding(filters.category)}::text]")
        plain = None if filters.persons_work is not None else filters.work
        members = {"recipient": filters.recipient, "service": filters.service, "work": plain}
        for name, value in members.items():
            if value is not None:
                written = self.holding(leaf.member(name, value))
                self.add(f"position({written}::bytea in leaf) > 0")
