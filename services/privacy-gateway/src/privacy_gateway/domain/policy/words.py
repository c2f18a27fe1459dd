"""The policy in plain words: how an action, a duration and a category are said."""

import re

from privacy_gateway.domain.policy.actions import Action
from privacy_gateway.domain.policy.file import PolicyFile

SEEN = {
    Action.REVEAL: "in full",
    Action.GENERALISE: "in a coarser form",
    Action.MASK: "masked",
    Action.CARRY: "sealed",
    Action.WITHHOLD: "not at all",
}
_DURATION = re.compile(r"P(\d+)([DMY])")
_UNITS = {"D": "day", "M": "month", "Y": "year"}


def label(file: PolicyFile, category: str) -> str:
    known = file.categories.get(category)
    return known.label if known else category


def duration(keep: str) -> str:
    """`P90D`: 90 days; `P0D`: no longer."""
    found = _DURATION.fullmatch(keep)
    if found is None:
        return keep
    count, unit = int(found[1]), _UNITS[found[2]]
    return "no longer" if count == 0 else f"{count} {unit}{'' if count == 1 else 's'}"


def changed(role: str, purpose: str, what: str, before: Action, after: Action) -> str:
    """What is different for a role, as a sentence about it."""
    if Action.CARRY in {before, after}:
        gained = after is Action.CARRY
        return f"{role} can {'now' if gained else 'no longer'} carry the {what} for {purpose}"
    if after is Action.WITHHOLD:
        return f"{role} can no longer see the {what} for {purpose}"
    if before is Action.WITHHOLD:
        how = "" if after is Action.REVEAL else f" {SEEN[after]}"
        return f"{role} can now see the {what}{how} for {purpose}"
    return f"{role} now sees the {what} {SEEN[after]} instead of {SEEN[before]} for {purpose}"
