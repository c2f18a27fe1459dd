"""The customer's own view: who saw their data, when, which of it and why, in words.

It names roles and never a member of staff. What the customer did themselves is folded, one entry
a day and purpose, so that it does not bury what others did.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_DID = {
    "read": "looked at",
    "collect": "gave us",
    "change": "asked for a change",
    "carry": "used for an order",
    "search": "looked for somebody",
    "disclosure": "passed on to a partner",
    "refusal": "was refused",
    "grant": "was permitted to look",
    "session": "signed in",
    "audit_read": "looked at the record of accesses",
    "policy": "changed the policy",
    "key": "changed a key",
}
_SEEN = {
    "reveal": "in full",
    "generalise": "in a coarser form",
    "mask": "in part",
    "carry": "still sealed",
    "seal": "sealed on the way in",
    "look_up": "compared and not kept",
}


@dataclass(frozen=True, slots=True)
class Words:
    """What the policy calls its categories, purposes and roles when it speaks to a customer."""

    categories: Mapping[str, str]
    purposes: Mapping[str, str]
    roles: Mapping[str, str]


def told(leaves: Iterable[Mapping[str, Any]], words: Words) -> list[dict[str, Any]]:
    """Entries for leaves that are about one customer, newest first, as the leaves are."""
    entries: list[dict[str, Any]] = []
    own: dict[tuple[str, str, str], dict[str, Any]] = {}
    for leaf in leaves:
        entry = _entry(leaf, words)
        if entry["who"] != "you":
            entries.append(entry)
            continue
        folded = own.setdefault((leaf["at"][:10], leaf["purpose"], entry["did"]), entry)
        if folded is entry:
            entries.append(entry)
        else:
            _fold(entry, into=folded)
    return entries


def _entry(leaf: Mapping[str, Any], words: Words) -> dict[str, Any]:
    entry = {
        "when": leaf["at"],
        "who": _who(leaf, words),
        "did": _DID[leaf["kind"]] if leaf["decision"] == "allow" else _DID["refusal"],
        "what": _fields(leaf["fields"], words),
        "why": words.purposes.get(leaf["purpose"], leaf["purpose"]),
        "clauses": leaf["clauses"],
        "policy": leaf["policy"],
        "times": 1,
        "record": leaf["id"],
    }
    if "recipient" in leaf:
        entry["recipient"] = leaf["recipient"]
    return entry


def _who(leaf: Mapping[str, Any], words: Words) -> str:
    # One person has one tag a month, whichever side of a record they are on.
    if leaf["actor"] == leaf.get("subject"):
        return "you"
    if leaf["actor_kind"] == "service":
        return "the shop's own programs"
    return words.roles.get(leaf["role"], leaf["role"].replace("_", " "))


def _fields(fields: Mapping[str, Mapping[str, list[str]]], words: Words) -> list[dict[str, str]]:
    """What was seen and how; what was withheld was not seen."""
    return [
        {"data": words.categories.get(category, category), "seen": _SEEN[decision]}
        for decision, by_category in fields.items()
        if decision in _SEEN
        for category in by_category
        if category != "system.operations"
    ]


def _fold(entry: dict[str, Any], *, into: dict[str, Any]) -> None:
    into["times"] += 1
    into["since"] = entry["when"]
    into["what"] += [each for each in entry["what"] if each not in into["what"]]
