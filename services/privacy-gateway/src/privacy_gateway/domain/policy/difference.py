"""What changes from one version of the policy to another, in plain words (C6.2)."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from privacy_gateway.domain.policy import words
from privacy_gateway.domain.policy.actions import WITHIN, Action
from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.policy.file import PolicyFile, Purpose

Direction = Literal["more", "less", "other"]


class Change(NamedTuple):
    about: str
    direction: Direction
    """Whether somebody gets more of a person's data than before, or less."""
    says: str


def difference(old: Policy, new: Policy) -> list[Change]:
    return [
        *_purposes(old.file, new.file),
        *_access(old, new),
        *_recipients(old.file, new.file),
        *_retention(old.file, new.file),
        *_notice(old.file, new.file),
        *_rest(old.file, new.file),
    ]


def _access(old: Policy, new: Policy) -> Iterator[Change]:
    before, after = dict.fromkeys(old.rows()), dict.fromkeys(new.rows())
    for purpose, role in {**before, **after}:
        if (purpose, role) not in after:
            yield Change("access", "less", f"{role} can no longer ask for {purpose}")
            continue
        if (purpose, role) not in before:
            yield Change("access", "more", f"{role} can now ask for {purpose}")
        was, now = old.table(role, purpose), new.table(role, purpose)
        for category in {**was, **now}:
            one, two = (t.get(category, Action.WITHHOLD) for t in (was, now))
            if one is not two:
                what = words.label(new.file if two is not Action.WITHHOLD else old.file, category)
                direction: Direction = "less" if two in WITHIN[one] else "more"
                says = words.changed(role, purpose, what, one, two)
                yield Change("access", direction, says)


def _purposes(old: PolicyFile, new: PolicyFile) -> Iterator[Change]:
    for name in {**old.purposes, **new.purposes}:
        before, after = old.purposes.get(name), new.purposes.get(name)
        if before is None and after is not None:
            yield Change("purposes", "other", f"there is a purpose {name}: {after.label}")
        elif after is None and before is not None:
            yield Change("purposes", "other", f"there is no purpose {name} any more")
        elif before is not None and after is not None:
            if before.forbidden != after.forbidden:
                how = "forbidden" if after.forbidden else "no longer forbidden"
                direction: Direction = "less" if after.forbidden else "more"
                yield Change("purposes", direction, f"{name} is {how}")
            if before.needs_consent != after.needs_consent:
                asked = after.needs_consent
                how = f"needs consent to {asked}" if asked else "needs no consent any more"
                yield Change("purposes", "less" if asked else "more", f"{name} {how}")
            yield from _ties(name, before, after)


_WORK = {
    "case": "a case",
    "order": "an order",
    "site": "a warehouse site",
    "shop": "the shop as a whole",
    "none": "an emergency",
}


def _ties(name: str, before: Purpose, after: Purpose) -> Iterator[Change]:
    """What ties staff to a purpose."""
    was = {_WORK[kind] for kind in before.work} | {f"a case about {k}" for k in before.cases}
    now = {_WORK[kind] for kind in after.work} | {f"a case about {k}" for k in after.cases}
    yield from (Change("purposes", "more", f"{w} now serves for {name}") for w in sorted(now - was))
    for what in sorted(was - now):
        yield Change("purposes", "less", f"{what} no longer serves for {name}")


def _recipients(old: PolicyFile, new: PolicyFile) -> Iterator[Change]:
    for kind in {**old.recipients, **new.recipients}:
        before = old.recipients[kind].allow if kind in old.recipients else ()
        after = new.recipients[kind].allow if kind in new.recipients else ()
        for category in dict.fromkeys((*before, *after)):
            if (category in before) != (category in after):
                gained = category in after
                what = words.label(new if gained else old, category)
                says = f"recipients for {kind} may {'now' if gained else 'no longer'}"
                direction: Direction = "more" if gained else "less"
                yield Change("recipients", direction, f"{says} be given the {what}")


def _retention(old: PolicyFile, new: PolicyFile) -> Iterator[Change]:
    for name in {**old.retention, **new.retention}:
        before, after = old.retention.get(name), new.retention.get(name)
        if before == after:
            continue
        if after is None:
            yield Change("retention", "other", f"there is no class {name} any more")
            continue
        if before is not None and (before.keep, before.clock) == (after.keep, after.clock):
            was_, now = (rule.model_dump(mode="json", by_alias=True) for rule in (before, after))
            for place, one, two in _unlike(f"retention.{name}", was_, now):
                yield Change("retention", "other", f"{place}: {_said(two)} (before: {_said(one)})")
            continue
        kept = f"{words.duration(after.keep)} after {after.clock}"
        was = f"{words.duration(before.keep)} after {before.clock}" if before else "nothing"
        yield Change("retention", "other", f"{name} is kept for {kept} (before: {was})")


def _notice(old: PolicyFile, new: PolicyFile) -> Iterator[Change]:
    before, after = old.notice.clauses, new.notice.clauses
    for clause in sorted({**before, **after}):
        if clause not in after:
            yield Change("notice", "other", f"{clause} is no longer published")
        elif before.get(clause) != after[clause]:
            yield Change("notice", "other", f"{clause} reads now: {after[clause]}")


# What no sentence is written for is said by its name, so that nothing changes unsaid.
_SAID = {"version", "in_force_from", "rules", "retention"}


def _rest(old: PolicyFile, new: PolicyFile) -> Iterator[Change]:
    before, after = (file.model_dump(mode="json", by_alias=True) for file in (old, new))
    for part in after:
        if part in _SAID:
            continue
        for place, was, now in _unlike(part, before[part], after[part]):
            if not _has_sentence(place.split("."), was, now):
                yield Change(part, "other", f"{place}: {_said(now)} (before: {_said(was)})")


def _has_sentence(steps: list[str], was: Any, now: Any) -> bool:
    match steps:
        case ["notice", "clauses", *_] | ["recipients", _, "allow"]:
            return True
        case ["purposes", _]:
            return was is None or now is None
        case ["purposes", _, "forbidden" | "needs_consent" | "work" | "cases"]:
            return True
    return False


def _unlike(place: str, was: Any, now: Any) -> Iterator[tuple[str, Any, Any]]:
    if was == now:
        return
    if isinstance(was, dict) and isinstance(now, dict):
        for key in {**was, **now}:
            yield from _unlike(f"{place}.{key}", was.get(key), now.get(key))
    else:
        yield place, was, now


def _said(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return ", ".join(map(_said, value)) or "nothing"
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_said(member)}" for key, member in value.items())
    return str(value)
