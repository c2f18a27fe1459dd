"""Seeing one more customer: counted before anything of them is given, by every process alike.

Who was counted today costs a look into a dictionary. Somebody new costs one statement, which
counts and holds against what is allowed at once; the table itself refuses more than that.
"""

import hmac
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import asyncpg

from privacy_gateway.clients.line import LineFailed, Lines
from privacy_gateway.domain.policy.limits import Budgets as Terms
from privacy_gateway.domain.tokens.caller import Caller
from privacy_gateway.domain.vault.vault import Vault
from privity_rest import TooMany, Unavailable

DAY_SECONDS: Final = 86_400
REMEMBERED: Final = 100_000
UNREVIEWED: Final = timedelta(days=1)
"""For how long a raise counts that nobody has looked at a second time."""

# $1 person, $2 role, $3 day, $4 base, $5 factor, $6 days, $7 now, $8 since when it is unreviewed.
_ALLOWED = """
    $4::int + floor($5::float8 * coalesce(
        (SELECT max(orders) FROM order_volume WHERE day <= $3::date AND day > $3::date - $6::int), 0
    ))::int + coalesce((
        SELECT sum(extra) FROM budget_raises
        WHERE staff_id = $1 AND ends_at > $7
        AND (outcome = 'confirmed' OR (outcome IS NULL AND given_at > $8))
    ), 0)::int"""
_COUNT = f"""
WITH fresh AS (
    INSERT INTO budget_subjects (staff_id, role, day, subject_tag)
    SELECT $1, $2, $3::date, tag FROM unnest($9::bytea[]) AS tag
    ON CONFLICT DO NOTHING RETURNING 1
)
INSERT INTO budget_days AS known (staff_id, role, day, subjects, allowed)
SELECT $1, $2, $3::date, count(*), {_ALLOWED} FROM fresh HAVING count(*) > 0
ON CONFLICT (staff_id, role, day) DO UPDATE
SET subjects = known.subjects + excluded.subjects, allowed = excluded.allowed
"""  # noqa: S608  # constants
_STANDING = f"""
SELECT {_ALLOWED} AS allowed, coalesce((
    SELECT subjects FROM budget_days WHERE staff_id = $1 AND role = $2 AND day = $3::date
), 0) AS spent
"""  # noqa: S608  # constants
_PURGE = (
    "DELETE FROM budget_subjects WHERE day < $1::date - 1",
    "DELETE FROM budget_days WHERE day < $1::date - 60",
)


class BudgetSpent(TooMany):
    code = "budget_spent"
    title = "This is more customers than one person may see in a day"


class BudgetUnknown(Unavailable):
    code = "budget_unknown"
    title = "Nothing is given while it cannot be counted"


@dataclass(frozen=True, slots=True)
class Standing:
    allowed: int
    spent: int


class Budgets:
    """One for each process; what it remembers spares the others nothing and costs them nothing."""

    def __init__(
        self,
        url: str,
        vault: Vault,
        *,
        clock: Callable[[], float] = time.time,
        remembered: int = REMEMBERED,
        deadline_seconds: float = 1.0,
    ) -> None:
        self._lines = Lines(url, name="privity-budgets", deadline_seconds=deadline_seconds, count=4)
        self._key = vault.derived_key("budgets")
        self._clock = clock
        self._remembered = remembered
        self._day = self._purged_on = -1
        self._seen: dict[tuple[str, str, str], None] = {}

    def close(self) -> None:
        self._lines.cut()

    def unseen(self, caller: Caller, subjects: Iterable[str]) -> list[str]:
        """Those that are not known to be counted for this person today."""
        day = int(self._clock() // DAY_SECONDS)
        if day != self._day:
            self._day = day
            self._seen.clear()
        actor, role, seen = caller.actor, caller.role, self._seen
        return [subject for subject in subjects if (actor, role, subject) not in seen]

    async def spend(self, caller: Caller, subjects: Sequence[str], *, terms: Terms) -> None:
        """Raises BudgetSpent, and then none of them is counted; BudgetUnknown."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        # In one order, so that two processes do not wait for each other for ever.
        tags = sorted({self._tag(caller, now.date(), subject) for subject in subjects})
        if self._purged_on != self._day:
            self._purged_on = self._day
            await self._purge(now.date())
        try:
            arguments = _arguments(caller.actor, caller.role, terms, now)
            await self._lines.fetch(_COUNT, *arguments, tags)
        except asyncpg.CheckViolationError:
            raise BudgetSpent(retry_after=_left(now)) from None
        except LineFailed as exc:
            raise BudgetUnknown(type(exc).__name__) from None
        self._remember(caller, subjects)

    async def standing(self, actor: str, role: str, *, terms: Terms) -> Standing:
        """How much of today's budget there is and was spent. Raises BudgetUnknown."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        try:
            [row] = await self._lines.fetch(_STANDING, *_arguments(actor, role, terms, now))
        except LineFailed as exc:
            raise BudgetUnknown(type(exc).__name__) from None
        return Standing(row["allowed"], row["spent"])

    async def _purge(self, today: date) -> None:
        """Forgets who was seen by whom, the day after tomorrow; how many, after two months."""
        for statement in _PURGE:
            with suppress(LineFailed):  # another process does it, or we do tomorrow
                await self._lines.fetch(statement, today)

    def _remember(self, caller: Caller, subjects: Iterable[str]) -> None:
        for subject in subjects:
            self._seen[caller.actor, caller.role, subject] = None
        while len(self._seen) > self._remembered:
            del self._seen[next(iter(self._seen))]

    def _tag(self, caller: Caller, day: date, subject: str) -> bytes:
        told = f"{caller.actor}|{day}|{subject}".encode()
        return hmac.digest(self._key, told, "sha256")[:16]


def _arguments(actor: str, role: str, terms: Terms, now: datetime) -> tuple[object, ...]:
    allowance = terms.of(role)
    return (
        actor,
        role,
        now.date(),
        allowance.base,
        allowance.factor,
        terms.busiest_of_days,
        now,
        now - UNREVIEWED,
    )


def _left(now: datetime) -> int:
    """The seconds until the next day begins."""
    return DAY_SECONDS - int(now.timestamp()) % DAY_SECONDS
