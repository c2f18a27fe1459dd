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


_MEMBERS = ("id", "kind", "decision", "purpose", "role", "subject", "actor")
_TOLD = ("id", "kind", "decision", "purpose", "role", "subject_tag", "actor_tag")
"""The columns for these members, as they stand."""


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
    try:
        written = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return rfc8785.dumps(value)
    return written if _is_plain(written) else rfc8785.dumps(value)


def _is_plain(written: bytes) -> bool:
    """Whether nothing in it could be spelled otherwise: no escapes, no fractions, small numbers.

    Without escapes, every other piece between quotation marks is outside of strings; there, only
    digits may stand, and so few that any number of them is small.
    """
    if written.translate(None, _PLAIN):
        return False
    outside = b"".join(written.split(b'"')[::2]).translate(None, b"{}[],:")
    return not outside or (len(outside) <= 15 and outside.isdigit())


def differing(row: Columns, members: Mapping[str, Any]) -> list[str]:
    """The columns that do not say what the leaf says."""
    said = (row.id, row.kind, row.decision, row.purpose, row.role, row.subject_tag, row.actor_tag)
    told = tuple(map(members.get, _MEMBERS))
    found = []
    if said != told:
        found = [column for column, s, t in zip(_TOLD, said, told, strict=True) if s != t]
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
