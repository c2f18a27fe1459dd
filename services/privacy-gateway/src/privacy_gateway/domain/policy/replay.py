"""Deciding again: an old record, and the version of the policy that decided then.

What the policy does not decide (whose work it was, whether the store was up) it cannot confirm
either: such a record agrees with nothing and contradicts nothing.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from privacy_gateway.domain.audit.leaf import HASH_LENGTH
from privacy_gateway.domain.policy import words
from privacy_gateway.domain.policy.actions import Action
from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.policy.explanation import NARROWED


@dataclass(frozen=True, slots=True)
class Replayed:
    """`agrees` is None for what the policy had no part in."""

    agrees: bool | None
    differs: tuple[str, ...]
    """Each decision that would be another one, in words."""


class AnotherFile(Exception):
    """The file of this version that lies here is not the one that decided."""


def decided_by(leaf: Mapping[str, Any], versions: Collection[Policy]) -> Policy | None:
    """The version that decided, if it is here. Raises AnotherFile."""
    named = [policy for policy in versions if policy.version == leaf["policy"]]
    if not named:
        return None
    recorded = leaf.get("policy_hash")
    if recorded is not None and named[0].hash[:HASH_LENGTH] != recorded:
        raise AnotherFile(leaf["policy"])
    return named[0]


def replay(
    leaf: Mapping[str, Any], policy: Policy, *, offered: Collection[str] | None = None
) -> Replayed:
    """`offered`: the purposes of the route that the record names, where it is still known."""
    if leaf["decision"] == "refuse":
        return _refused(leaf, policy, offered)
    if leaf["kind"] == "grant":
        return _verdict(policy.may(leaf["role"], leaf["purpose"]), "the purpose was not theirs")
    differs = tuple(_differing(leaf, policy))
    known = any(leaf["fields"].values())
    return Replayed(not differs if known else None, differs)


def _refused(leaf: Mapping[str, Any], policy: Policy, offered: Collection[str] | None) -> Replayed:
    role, purpose, reason = leaf["role"], leaf["purpose"], leaf.get("reason")
    if reason == "consent_missing":
        return _verdict(bool(policy.consents(purpose)), "the purpose needs no consent")
    if reason != "purpose_not_allowed":
        return Replayed(None, ())
    if not policy.may(role, purpose):
        return Replayed(True, ())
    if offered is None:
        return Replayed(None, ())
    return _verdict(not policy.serves(offered, purpose), "the purpose opens this route")


def _verdict(agrees: bool, otherwise: str) -> Replayed:
    return Replayed(agrees, () if agrees else (otherwise,))


def _differing(leaf: Mapping[str, Any], policy: Policy) -> Iterator[str]:
    for recorded, by_category in leaf["fields"].items():
        for category, names in by_category.items():
            again = _again(leaf, policy, category, recorded)
            if again != recorded:
                what = words.label(policy.file, category)
                yield f"{', '.join(names)} ({what}): recorded {recorded}, decided again {again}"


def _again(leaf: Mapping[str, Any], policy: Policy, category: str, recorded: str) -> str:
    table = policy.table(leaf["role"], leaf["purpose"])
    action = table.get(category, Action.WITHHOLD)
    known = policy.file.categories.get(category)
    match leaf["kind"]:
        case "collect":
            return "seal" if known is not None and known.sealed else "withhold"
        case "search" | "key" if recorded == "look_up":
            return "look_up" if known is not None and known.lookup else "withhold"
        case "carry":
            # The gateway carries for whoever could have read it and sent it in again.
            return "carry" if action is not Action.WITHHOLD else "withhold"
        case "disclosure":
            return "reveal" if _shared(policy, leaf["purpose"], category) else "withhold"
    if recorded == Action.WITHHOLD.value and leaf.get("reason") == NARROWED:
        return recorded  # theirs to narrow, whatever the purpose yields
    return action.value


def _shared(policy: Policy, purpose: str, category: str) -> bool:
    kinds = policy.file.recipients.values()
    return any(category in kind.allow for kind in kinds if kind.purpose == purpose)
