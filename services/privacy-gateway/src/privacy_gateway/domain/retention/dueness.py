"""What is due: classes whose time is up and that are still there, by the policy in force now.

Nothing is computed ahead, so a policy that shortens a time takes effect with the next look. Each
rule of each country is one look-up by its clock.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, Literal, NamedTuple

from sqlalchemy import Select, and_, exists, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.domain.policy.file import Counted, PolicyFile, Term
from privacy_gateway.domain.retention.terms import Rule, end, ends_before
from privacy_gateway.domain.vault.data_keys import AUDIT_TAG
from privacy_gateway.models import LeftBehind, LegalHold, RetentionClock, RetentionEnd

KINDS: Final[tuple[Literal["account", "order", "case"], ...]] = ("account", "order", "case")
ASKED: Final = Rule("order_ended", "P0D", "the customer asked for it while the order was under way")


class DueClass(NamedTuple):
    """One class of one scope that goes, and why. `held` by a legal hold, it waits."""

    scope: str
    subject_id: str
    retention_class: str
    rule: Rule
    due_at: datetime
    held: bool


class _Line(NamedTuple):
    """One rule for the scopes of one kind, in some countries."""

    retention_class: str
    kind: str
    rule: Rule
    countries: tuple[str, ...] | None
    """Nothing stands for all but those that have a rule of their own."""
    but: tuple[str, ...]


async def due(
    tx: AsyncSession, file: PolicyFile, *, until: datetime, limit: int = 1000
) -> list[DueClass]:
    """The oldest of each rule first; what a hold keeps is there and marked."""
    found: dict[tuple[str, str], DueClass] = {}
    for line in _lines(file):
        for row in await tx.execute(_query(line, until=until, limit=limit)):
            each = DueClass(
                row.scope,
                row.subject_id,
                line.retention_class,
                line.rule,
                end(row.started_at, line.rule.keep),
                row.held,
            )
            known = found.get((each.scope, each.retention_class))
            # Months differ in length: the database looks a little wide, the calendar decides.
            if each.due_at <= until and (known is None or each.due_at < known.due_at):
                found[each.scope, each.retention_class] = each
    return sorted(found.values(), key=lambda each: (each.due_at, each.scope))


async def overdue(tx: AsyncSession, file: PolicyFile, *, now: datetime, grace: float) -> int:
    """How many classes should have been gone for longer than `grace` seconds and are not. Zero,
    or the sweep does not do its work."""
    late = datetime.fromtimestamp(now.timestamp() - grace, now.tzinfo)
    return sum(not each.held for each in await due(tx, file, until=late))


def _lines(file: PolicyFile) -> Iterator[_Line]:
    for name, retention in file.retention.items():
        for kind in KINDS:
            counted: Counted | None = retention.elsewhere.get(kind, retention)
            if counted is not None and counted.on_request == "delete" and kind == "order":
                yield _Line(name, "left", ASKED, None, ())
            while counted is not None:
                yield from _by_country(name, kind, counted)
                counted = counted.or_after


def _by_country(name: str, kind: str, counted: Counted) -> Iterator[_Line]:
    def rule(term: Term) -> Rule:
        return Rule(counted.clock, term.keep, term.ground)

    named = tuple(sorted(counted.countries))
    yield _Line(name, kind, rule(counted), None, named)
    for country in named:
        yield _Line(name, kind, rule(counted.countries[country]), (country,), ())


def _query(line: _Line, *, until: datetime, limit: int) -> Select[str, str, datetime, bool]:
    clock = RetentionClock
    left = exists().where(LeftBehind.scope == clock.scope)
    # A class that is kept on request is not in anybody's left-behind line.
    prefix = "order" if line.kind == "left" else line.kind
    conditions = [
        clock.clock == line.rule.clock,
        clock.started_at <= ends_before(until, line.rule.keep),
        clock.scope.startswith(f"{prefix}/"),
        not_(
            exists().where(
                RetentionEnd.scope == clock.scope,
                RetentionEnd.retention_class == line.retention_class,
            )
        ),
    ]
    if line.kind == "left":
        conditions.append(left)
    if line.countries is not None:
        conditions.append(clock.country.in_(line.countries))
    elif line.but:
        conditions.append(or_(clock.country.is_(None), clock.country.not_in(line.but)))
    if line.retention_class == AUDIT_TAG:
        # The log has to say whose something is for as long as anything is under way.
        waiting = exists().where(LeftBehind.subject_id == clock.subject_id)
        conditions.append(not_(waiting))
    held = exists().where(
        LegalHold.subject_id == clock.subject_id,
        or_(LegalHold.scope.is_(None), LegalHold.scope == clock.scope),
        LegalHold.released_at.is_(None),
    )
    return (
        select(clock.scope, clock.subject_id, clock.started_at, held.label("held"))
        .where(and_(*conditions))
        .order_by(clock.started_at)
        .limit(limit)
    )
