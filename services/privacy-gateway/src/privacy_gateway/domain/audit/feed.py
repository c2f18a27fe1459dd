"""The customer's own view: who saw their data, when, which of it, why and on whose request.

It names roles and never a member of staff. What one request recorded in several parts is one
entry. What the customer did themselves is folded, one entry a day and purpose, so that it does not
bury what others did.
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
_REQUESTS = {
    "order": "you, with your order",
    "case": "you, with what you turned to us with",
    "site": "us, to pack and send orders",
    "break-glass": "us, in an emergency",
}
PROOF = "/v1/my/accesses/{record_id}/proof"
_NOTHING: Mapping[str, str] = {}
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


def told(
    leaves: Iterable[Mapping[str, Any]], words: Words, named: Mapping[str, str] = _NOTHING
) -> list[dict[str, Any]]:
    """Entries for leaves that are about one customer, newest first, as the leaves are.

    `named` says what the customer's own tags stand for: their orders and cases.
    """
    entries: list[dict[str, Any]] = []
    first: dict[tuple[str, ...], dict[str, Any]] = {}
    for number, leaf in enumerate(leaves):
        entry = _entry(leaf, words, named)
        own = entry["who"] == "you"
        # Only parts of one request belong together; without its id every record stands alone.
        once = f"{leaf['request']} {leaf['actor']}" if "request" in leaf else str(number)
        group = ("own", leaf["at"][:10]) if own else (once, entry["who"])
        folded = first.setdefault((*group, leaf["purpose"], entry["did"]), entry)
        if folded is entry:
            entries.append(entry)
        else:
            _fold(entry, into=folded, times=int(own))
    return entries


def _entry(leaf: Mapping[str, Any], words: Words, named: Mapping[str, str]) -> dict[str, Any]:
    entry = {
        "when": leaf["at"],
        "who": _who(leaf, words),
        "on_request_of": _on_request_of(leaf, named),
        "did": _DID[leaf["kind"]] if leaf["decision"] == "allow" else _DID["refusal"],
        "what": _fields(leaf["fields"], words),
        "why": words.purposes.get(leaf["purpose"], leaf["purpose"]),
        "clauses": leaf["clauses"],
        "policy": leaf["policy"],
        "times": 1,
        "record": leaf["id"],
        "records": [leaf["id"]],
        "proof": PROOF.format(record_id=leaf["id"]),
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


def _on_request_of(leaf: Mapping[str, Any], named: Mapping[str, str]) -> dict[str, str]:
    """Who set it going, in words; and of the customer's own orders and cases, which one."""
    if leaf["actor"] == leaf.get("subject"):
        return {"whom": "you"}
    kind, _, tag = leaf.get("work", "").partition("/")
    whom = _REQUESTS.get(kind)
    if whom is None:
        return {"whom": _REQUESTS["order"] if leaf["actor_kind"] == "service" else "us"}
    return {"whom": whom, "id": named[tag]} if tag in named else {"whom": whom}


def _fields(fields: Mapping[str, Mapping[str, list[str]]], words: Words) -> list[dict[str, str]]:
    """What was seen and how; what was withheld was not seen."""
    return [
        {"data": words.categories.get(category, category), "seen": _SEEN[decision]}
        for decision, by_category in fields.items()
        if decision in _SEEN
        for category in by_category
        if category != "system.operations"
    ]


def _fold(entry: dict[str, Any], *, into: dict[str, Any], times: int) -> None:
    into["times"] += times
    into["records"] += entry["records"]
    into["since"] = entry["when"]
    into["what"] += [each for each in entry["what"] if each not in into["what"]]
