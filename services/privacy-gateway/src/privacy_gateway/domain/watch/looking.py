"""What is unusual about the records that just came into the log.

Each is held against what its actor did within the window before it, counted anew from the store:
nothing has to be remembered, and what was seen twice is the same finding. An actor's tag changes
with the month, and the windows begin anew with it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from privacy_gateway.domain.audit.query import Records
from privacy_gateway.domain.audit.tail import Entry, Stretch
from privacy_gateway.domain.watch.rules import Rule, Rules

# What a person saw of customers; reviewing the records of what they did is looking at them too.
_SEEN = """
SELECT count(*) AS records, count(DISTINCT subject_tag) AS customers FROM records
WHERE actor_tag = $1 AND recorded_at > $2 AND recorded_at <= $3
  AND decision = 'allow' AND subject_tag IS NOT NULL
"""
_LAST = """
SELECT decision, recorded_at FROM records
WHERE actor_tag = $1 AND recorded_at <= $2 ORDER BY recorded_at DESC, id DESC LIMIT $3
"""
_WAITING = "SELECT EXISTS (SELECT FROM records WHERE recorded_at > $1 AND recorded_at < $2) AS some"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`key` is the same for the same matter: it is raised once. `actor` is a tag, or what stands
    in leaves for a program or a partner; nobody where it is about the store itself."""

    key: str
    rule: Rule
    count: int
    limit: int
    at: datetime
    actor: str | None = None
    role: str | None = None
    record_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Act:
    """The newest of what one actor did in one role."""

    actor: str
    kind: str
    role: str
    at: datetime
    record_id: str
    saw: bool
    refused_at: datetime | None
    """The newest refusal: a series of them ends with one, whatever comes after it."""


class Looking:
    def __init__(self, records: Records, rules: Rules) -> None:
        self._records = records
        self._rules = rules

    async def over(self, stretch: Stretch, *, archived: bool = False) -> list[Finding]:
        """`archived`: whether records may be missing because their month was put away."""
        found = list(self._of_the_store(stretch, archived=archived))
        for act in _acts(stretch.entries):
            if act.kind == "staff" and act.saw:
                found += await self._staff(act)
            if act.kind != "visitor" and act.refused_at is not None:
                found += await self._refused(act, act.refused_at)
        return found

    async def log_behind(self, *, seen: datetime, now: datetime) -> list[Finding]:
        """`seen`: the time of the newest record that came out of the log."""
        limit = self._rules.log_behind_seconds
        [row] = await self._records.fetch(_WAITING, seen, now - timedelta(seconds=limit))
        if not row["some"]:
            return []
        waited = int((now - seen).total_seconds())
        return [
            Finding(
                key=f"log_behind/{seen:%Y%m%dT%H%M%S}",
                rule="log_behind",
                count=waited,
                limit=limit,
                at=now,
            )
        ]

    def _of_the_store(self, stretch: Stretch, *, archived: bool) -> Iterable[Finding]:
        for entry in stretch.entries:
            if entry.members is None:
                yield _about(entry, "record_altered")
            elif (
                entry.members["kind"] == "grant"
                and entry.members["decision"] == "allow"
                and entry.members["purpose"] in self._rules.emergencies
            ):
                yield _about(entry, "emergency")
        if stretch.missing and not archived and stretch.entries:
            yield Finding(
                key=f"records_missing/{stretch.next_index}",
                rule="records_missing",
                count=stretch.missing,
                limit=0,
                at=stretch.entries[-1].at,
            )

    async def _staff(self, act: _Act) -> list[Finding]:
        rules, found = self._rules, []
        seen = await self._seen(act, rules.volume.window_minutes)
        found += _above(act, "volume", seen["records"], rules.volume.most.of(act.role))
        seen = await self._seen(act, rules.breadth.window_minutes)
        found += _above(act, "breadth", seen["customers"], rules.breadth.most.of(act.role))
        hours = rules.hours
        if act.role not in hours.exempt and not hours.at_work(act.at):
            seen = await self._seen(act, hours.window_minutes)
            found += _above(act, "hours", seen["records"], hours.most.of(act.role))
        return found

    async def _refused(self, act: _Act, until: datetime) -> list[Finding]:
        rule = self._rules.refusals
        rows = await self._records.fetch(_LAST, act.actor, until, rule.in_a_row)
        begun = until - timedelta(minutes=rule.window_minutes)
        refused = [r for r in rows if r["decision"] == "refuse" and r["recorded_at"] > begun]
        if len(refused) < rule.in_a_row:
            return []
        return [_finding(act, "refusals", len(refused), rule.in_a_row - 1, f"{until:%Y%m%dT%H}")]

    async def _seen(self, act: _Act, minutes: int) -> Any:
        since = act.at - timedelta(minutes=minutes)
        [row] = await self._records.fetch(_SEEN, act.actor, since, act.at)
        return row


def _acts(entries: Iterable[Entry]) -> list[_Act]:
    newest: dict[tuple[str, str], _Act] = {}
    for entry in entries:
        leaf = entry.members
        if leaf is None:
            continue
        before = newest.get((leaf["actor"], leaf["role"]))
        saw = leaf["decision"] == "allow" and "subject" in leaf
        refused = [before.refused_at] if before and before.refused_at else []
        if leaf["decision"] == "refuse":
            refused.append(entry.at)
        newest[leaf["actor"], leaf["role"]] = _Act(
            leaf["actor"],
            leaf["actor_kind"],
            leaf["role"],
            max(entry.at, before.at) if before else entry.at,
            entry.record_id,
            saw or (before is not None and before.saw),
            max(refused, default=None),
        )
    return list(newest.values())


def _above(act: _Act, rule: Rule, count: int, limit: int) -> list[Finding]:
    return [_finding(act, rule, count, limit, f"{act.at:%Y%m%d}")] if count > limit else []


def _finding(act: _Act, rule: Rule, count: int, limit: int, period: str) -> Finding:
    return Finding(
        key=f"{rule}/{act.actor}/{act.role}/{period}",
        rule=rule,
        count=count,
        limit=limit,
        at=act.at,
        actor=act.actor,
        role=act.role,
        record_id=act.record_id,
    )


def _about(entry: Entry, rule: Rule) -> Finding:
    leaf = entry.members or {}
    return Finding(
        key=f"{rule}/{entry.record_id}",
        rule=rule,
        count=1,
        limit=0,
        at=entry.at,
        actor=leaf.get("actor"),
        role=leaf.get("role"),
        record_id=entry.record_id,
    )
