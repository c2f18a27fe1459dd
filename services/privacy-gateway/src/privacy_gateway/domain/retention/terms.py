"""For how long a class is kept under a scope, why, and when its time is up."""

import calendar
import re
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from privacy_gateway.domain.policy import words
from privacy_gateway.domain.policy.file import Counted, PolicyFile

_DURATION = re.compile(r"P(\d+)([DMY])")


class Rule(NamedTuple):
    """One clock and the time from it on."""

    clock: str
    keep: str
    ground: str

    @property
    def says(self) -> str:
        kept = words.duration(self.keep)
        after = self.clock.replace("_", " ")
        return f"{after}" if kept == "no longer" else f"{kept} after: {after}"


class Due(NamedTuple):
    """When it is up. The moment is unknown while no clock runs."""

    rule: Rule
    at: datetime | None


def rules(
    file: PolicyFile, retention_class: str, *, scope: str, country: str | None
) -> tuple[Rule, ...]:
    """Whichever is up first ends it."""
    counted: Counted | None = _counted(file, retention_class, scope)
    found = []
    while counted is not None:
        there = counted.countries.get(country, counted) if country else counted
        found.append(Rule(counted.clock, there.keep, there.ground))
        counted = counted.or_after
    return tuple(found)


def kept_on_request(file: PolicyFile, retention_class: str, *, scope: str) -> bool:
    return _counted(file, retention_class, scope).on_request == "keep"


def _counted(file: PolicyFile, retention_class: str, scope: str) -> Counted:
    retention = file.retention[retention_class]
    kinds: Mapping[str, Counted] = {str(kind): rule for kind, rule in retention.elsewhere.items()}
    return kinds.get(scope.partition("/")[0], retention)


def due(found: Collection[Rule], clocks: Mapping[str, datetime]) -> Due:
    """The earliest of those whose clock runs; else the first rule, without a moment."""
    running = [
        Due(rule, end(clocks[rule.clock], rule.keep)) for rule in found if rule.clock in clocks
    ]
    return min(running, key=_moment) if running else Due(next(iter(found)), None)


def _moment(each: Due) -> datetime:
    assert each.at is not None  # noqa: S101  # of those that run
    return each.at


def end(start: datetime, keep: str) -> datetime:
    """By the calendar: a month after the 31st is the last of the next month."""
    found = _DURATION.fullmatch(keep)
    if found is None:
        raise ValueError(f"no duration: {keep}")
    count, unit = int(found[1]), found[2]
    if unit == "D":
        return start + timedelta(days=count)
    months = start.month - 1 + (count if unit == "M" else 12 * count)
    year, month = start.year + months // 12, months % 12 + 1
    return start.replace(
        year=year, month=month, day=min(start.day, calendar.monthrange(year, month)[1])
    )


def ends_before(until: datetime, keep: str) -> datetime:
    """What began later than this has not ended by `until`; what began earlier may have."""
    found = _DURATION.fullmatch(keep)
    if found is None:
        raise ValueError(f"no duration: {keep}")
    count, unit = int(found[1]), found[2]
    shortest = {"D": 1, "M": 28, "Y": 365}[unit]
    return until - timedelta(days=count * shortest)
