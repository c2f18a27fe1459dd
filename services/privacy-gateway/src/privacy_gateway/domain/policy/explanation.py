"""Why somebody gets something or does not, and how they could."""

from collections.abc import Collection
from typing import NamedTuple

from privacy_gateway.domain.policy.actions import Action
from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.policy.gap import meant
from privacy_gateway.domain.policy.limits import BREAK_GLASS

NARROWED = "grant_narrowed"
"""Why an allowed access gave less than its purpose yields; in records too."""


class Why(NamedTuple):
    """`reason` is a code; `how` says what would help, in words."""

    reason: str
    how: str


def refusal(policy: Policy, role: str, purpose: str, offered: Collection[str]) -> Why | None:
    """Why a route that is offered for these purposes stays shut; nothing when it opens."""
    if purpose not in policy.file.purposes:
        # What was asked for is whatever somebody typed: only names of the file are said back.
        known = [name for name in policy.file.purposes if not policy.forbidden(name)]
        return Why("unknown_purpose", meant(purpose, known, "GET /v1/policy lists the purposes"))
    if policy.forbidden(purpose):
        return Why("forbidden_purpose", "it is forbidden, to everyone")
    if not policy.may(role, purpose):
        holders = [each for each in policy.file.roles if policy.may(each, purpose)]
        return Why("purpose_not_yours", f"it is for: {', '.join(holders) or 'nobody'}")
    if not policy.serves(offered, purpose):
        yours = [each for each in offered if policy.may(role, each)]
        how = f"ask for: {', '.join(yours)}" if yours else "it is not for your role"
        return Why("purpose_not_served_here", how)
    return None


def withheld(policy: Policy, role: str, category: str, *, narrowed: bool = False) -> Why:
    """Why a field is not given for a purpose that opens its route."""
    if narrowed:
        return Why(NARROWED, "Your grant was narrowed; ask for one with this category.")
    if policy.kind_of(role) != "staff":
        return Why("not_needed_for_purpose", "Not given for this purpose.")
    return Why("not_needed_for_purpose", _way(policy, role, category))


def _way(policy: Policy, role: str, category: str) -> str:
    ways: dict[str, list[str]] = {}
    for purpose, holder in policy.rows():
        action = policy.table(holder, purpose).get(category, Action.CARRY)
        if action is not Action.CARRY and policy.kind_of(holder) == "staff":
            ways.setdefault(purpose, []).append(holder)
    yours = [p for p, holders in ways.items() if role in holders and p != BREAK_GLASS]
    if yours:
        return f"You may ask for it for: {', '.join(yours)}."
    if role in ways.get(BREAK_GLASS, ()):
        return f"Only in an emergency: ask for {BREAK_GLASS}, with a reason; it is reviewed."
    others = [f"{p} ({', '.join(holders)})" for p, holders in ways.items()]
    if others:
        return f"Others get it for: {', '.join(others)}."
    return "Nobody of the staff gets it for any purpose."
