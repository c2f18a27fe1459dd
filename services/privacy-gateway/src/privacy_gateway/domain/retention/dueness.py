"""What is due: classes whose time is up and that are still there, by the policy in force now.

Nothing is computed ahead, so a policy that shortens a time takes effect with the next look.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.domain.policy.file import Counted, PolicyFile, Term
from privacy_gateway.domain.retention.terms import Rule, end, ends_before
from privacy_gateway.domain.vault.data_keys import AUDIT_TAG

KINDS: Final[tuple[Literal["account", "order", "case"], ...]] = ("account", "order", "case")
ASKED: Final = Rule("order_ended", "P0D", "the customer asked for it while the order was under way")
RELEASED: Final = Rule("account_closed", "P0D", "the customer asked for it while a hold stood")
"""The clock is started for what a hold keeps from a deletion."""


_HELD: Final = """
EXISTS (
    SELECT FROM legal_holds AS h
    WHERE h.subject_id = c.subject_id AND h.released_at IS NULL
      AND (h.scope IS NULL OR h.scope = c.scope)
)
"""
# Each line of the policy is one look-up by its clock, all of them one statement. Whatever is not
# asked for is left out before it is counted: a thousand that wait hide nobody who does not.
_DUE: Final = text(f"""
SELECT line.number, due.scope, due.subject_id, due.started_at, due.held
FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS line (
    number int, class text, clock text, before timestamptz, prefix text,
    countries text[], but text[], left_behind boolean, nothing_waits boolean
)
CROSS JOIN LATERAL (
    SELECT c.scope, c.subject_id, c.started_at, {_HELD} AS held
    FROM retention_clocks AS c
    WHERE c.clock = line.clock AND c.started_at <= line.before
      AND starts_with(c.scope, line.prefix)
      AND (line.countries IS NULL OR c.country = ANY (line.countries))
      AND (c.country IS NULL OR c.country <> ALL (line.but))
      AND NOT EXISTS (
          SELECT FROM retention_ends AS e
          WHERE e.scope = c.scope AND e.retention_class = line.class
      )
      AND (NOT line.left_behind OR EXISTS (SELECT FROM left_behind AS l WHERE l.scope = c.scope))
      AND NOT (line.nothing_waits AND EXISTS (
          SELECT FROM left_behind AS l WHERE l.subject_id = c.subject_id
      ))
      AND c.scope <> ALL (CAST(:but_scopes AS text[]))
      AND (CAST(:held AS boolean) IS NULL OR CAST(:held AS boolean) = {_HELD})
    ORDER BY c.started_at LIMIT :limit
) AS due
""")  # noqa: S608  # a constant


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
    left: bool = False
    """For what a deletion has left behind. A class that is kept on request is in no such line."""


async def due(
    tx: AsyncSession,
    file: PolicyFile,
    *,
    until: datetime,
    limit: int = 1000,
    held: bool | None = None,
    but: Collection[str] = (),
) -> list[DueClass]:
    """The oldest of each rule first; what a hold keeps is there and marked, unless only what is
    held, or is not, is asked for. Scopes in `but` are left out."""
    found: dict[tuple[str, str], DueClass] = {}
    lines = list(_lines(file))
    asked = [_asked(number, line, until=until) for number, line in enumerate(lines)]
    which = {"limit": limit, "held": held, "but_scopes": list(but)}
    for row in await tx.execute(_DUE, {"lines": orjson.dumps(asked).decode(), **which}):
        line = lines[row.number]
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
    return len(await due(tx, file, until=late, held=False))


def _lines(file: PolicyFile) -> Iterator[_Line]:
    for name, retention in file.retention.items():
        for kind in KINDS:
            counted: Counted | None = retention.elsewhere.get(kind, retention)
            if counted is not None and counted.on_request == "delete" and kind != "account":
                yield _Line(name, kind, RELEASED, None, (), left=True)
                if kind == "order":
                    yield _Line(name, kind, ASKED, None, (), left=True)
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


def _asked(number: int, line: _Line, *, until: datetime) -> dict[str, Any]:
    return {
        "number": number,
        "class": line.retention_class,
        "clock": line.rule.clock,
        "before": ends_before(until, line.rule.keep).isoformat(),
        "prefix": f"{line.kind}/",
        "countries": line.countries,
        "but": line.but,
        "left_behind": line.left,
        # The log has to say whose something is for as long as anything is under way.
        "nothing_waits": line.retention_class == AUDIT_TAG,
    }
