"""What a leaf says: whether it is canonical (RFC 8785), and what its index columns should hold."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import orjson
import rfc8785

# In these characters there is nothing to escape, and bytes sort as UTF-16 does: there, sorted and
# compact is canonical. Whatever holds others is written again by the RFC's own rules.
_PLAIN = (
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    b"-_.:,/*\"[]{}!#$%&'()+;<=>?@^`|~ "
)
_LARGEST = (1 << 53) - 1


class NotCanonical(ValueError):
    """The leaf is not RFC 8785 JSON of an object."""


class Columns(NamedTuple):
    """A record's row beside its leaf."""

    id: str
    recorded_at: datetime
    kind: str
    decision: str
    purpose: str
    role: str
    subject_tag: str | None
    actor_tag: str
    categories: list[str]


def read(leaf: bytes) -> dict[str, Any]:
    """The members. Raises NotCanonical."""
    try:
        members = orjson.loads(leaf)
        written = canonical(members)
    except (orjson.JSONDecodeError, rfc8785.CanonicalizationError, RecursionError):
        raise NotCanonical("not JSON") from None
    if not isinstance(members, dict):
        raise NotCanonical("not an object")
    if written != leaf:
        raise NotCanonical("not canonical JSON")
    return members


def canonical(value: Any) -> bytes:
    """RFC 8785, the short way where it comes to the same."""
    if _only_plain_values(value):
        written = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        if not written.translate(None, _PLAIN):
            return written
    return rfc8785.dumps(value)


def _only_plain_values(value: Any) -> bool:
    """No fractions, whose spelling JSON leaves open, and no number that doubles cannot hold."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return bool(-_LARGEST <= value <= _LARGEST)
    if kind is dict:
        value = value.values()
    elif kind is not list:
        return False
    return all(type(each) is str or _only_plain_values(each) for each in value)


def differing(row: Columns, members: Mapping[str, Any]) -> list[str]:
    """The columns that do not say what the leaf says."""
    found = [
        name
        for name, said, told in (
            ("id", row.id, members.get("id")),
            ("kind", row.kind, members.get("kind")),
            ("decision", row.decision, members.get("decision")),
            ("purpose", row.purpose, members.get("purpose")),
            ("role", row.role, members.get("role")),
            ("subject_tag", row.subject_tag, members.get("subject")),
            ("actor_tag", row.actor_tag, members.get("actor")),
        )
        if said != told
    ]
    # Both as text: what the leaf says is text, in the one spelling that we write.
    if row.recorded_at.isoformat(timespec="microseconds")[:26] + "Z" != members.get("at"):
        found.append("recorded_at")
    if row.categories != _categories(members.get("fields")):
        found.append("categories")
    return found


def _categories(fields: Any) -> list[str] | None:
    try:
        return sorted({category for by_name in fields.values() for category in by_name})
    except (AttributeError, TypeError):
        return None
