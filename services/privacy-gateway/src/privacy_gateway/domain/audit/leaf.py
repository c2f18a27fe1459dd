"""The record itself: canonical JSON (RFC 8785) under 2 kB, stored as these very bytes.

It names fields, purposes, roles and decisions. People and what is theirs appear as tags, which
only the person's own key can link to them; organisations and programs appear as they are. Nothing
in it is a value: its alphabet has no space, no `@` and no `+`.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from privacy_gateway.domain.audit.access import OPENED, Access, FieldAccess
from privacy_gateway.domain.vault.vault import Mark
from privity_contracts import ids

VERSION = 1
LONGEST = 2047
ERASED = "erased"
"""In place of a tag when the person's key is gone."""

_ALPHABET = b'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:,/*"[]{}'
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
# Recipients are organisations under contract, products are goods: neither is a person.
_NOBODYS = ("rcp_", "prd_")


class NotRecordable(ValueError):
    """Something in the access is not a name or an id. What it is is not repeated."""


class Fields(NamedTuple):
    """What several accesses to the same fields have in common, worked out once."""

    json: orjson.Fragment
    openable: frozenset[str]
    carriable: frozenset[str]


@lru_cache(maxsize=4096)
def fields_of(accesses: tuple[FieldAccess, ...]) -> Fields:
    by_decision: dict[str, dict[str, list[str]]] = {}
    for name, category, decision in sorted(set(accesses)):
        by_decision.setdefault(decision, {}).setdefault(category, []).append(name)
    return Fields(
        json=orjson.Fragment(orjson.dumps(by_decision, option=orjson.OPT_SORT_KEYS)),
        openable=frozenset(a.category for a in accesses if a.decision in OPENED),
        carriable=frozenset(a.category for a in accesses if a.decision == "carry"),
    )


def month_of(at: datetime) -> str:
    return f"{at.year:04d}-{at.month:02d}"


def is_person(actor: str) -> bool:
    return actor.startswith(("cus_", "stf_"))


def marks(access: Access, month: str) -> list[Mark]:
    """What in the access becomes a tag. What is theirs is tagged under the subject's key."""
    owner = access.subject or access.actor
    found = [Mark(owner, month, owner)] if access.subject else []
    if is_person(access.actor) and access.actor != access.subject:
        found.append(Mark(access.actor, month, access.actor))
    for place in (access.resource, access.work, access.scope):
        what = _id_in(place)
        if what is not None and (mark := Mark(owner, month, what)) not in found:
            found.append(mark)
    return found


def write(access: Access, *, record_id: str, at: datetime, tags: Mapping[Mark, str]) -> bytes:
    """`tags` holds one for each of the access's marks. Raises NotRecordable."""
    month = month_of(at)
    owner = access.subject or access.actor

    def tagged(place: str | None) -> str | None:
        what = _id_in(place)
        if place is None or what is None:
            return place
        kind = place[: -len(what)] or f"{what[:3]}/"
        return kind + tags[Mark(owner, month, what)]

    if access.reason is not None and _CODE.fullmatch(access.reason) is None:
        raise NotRecordable("the reason is not a code")
    members = {
        "v": VERSION,
        "id": record_id,
        "at": stamp(at),
        "kind": access.kind,
        "decision": access.decision,
        "actor": tags[Mark(access.actor, month, access.actor)]
        if is_person(access.actor)
        else access.actor,
        "actor_kind": access.actor_kind,
        "role": access.role,
        "purpose": access.purpose,
        "clauses": access.clauses,
        "policy": access.policy,
        "service": access.service,
        "fields": fields_of(access.fields).json,
    }
    optional = (
        ("subject", tags[Mark(owner, month, owner)] if access.subject else None),
        ("work", tagged(access.work)),
        ("resource", tagged(access.resource)),
        ("scope", tagged(access.scope)),
        ("recipient", access.recipient),
        ("reason", access.reason),
        ("request", access.request_id),
    )
    for name, value in optional:
        if value is not None:
            members[name] = value
    leaf = orjson.dumps(members, option=orjson.OPT_SORT_KEYS)
    if leaf.translate(None, _ALPHABET):
        raise NotRecordable("a character that no name and no id has")
    return leaf


def write_parts(access: Access, *, at: datetime, tags: Mapping[Mark, str]) -> list[bytes]:
    """One leaf, or several with a part of the fields each when one would be too long."""
    content = write(access, record_id=ids.mint("rec"), at=at, tags=tags)
    if len(content) <= LONGEST:
        return [content]
    half = len(access.fields) // 2
    if half == 0:
        raise NotRecordable("too long with a single field")
    return [
        part
        for fields in (access.fields[:half], access.fields[half:])
        for part in write_parts(replace(access, fields=fields), at=at, tags=tags)
    ]


def stamp(at: datetime) -> str:
    """UTC with microseconds: as text in the order of time."""
    return f"{at.isoformat(timespec='microseconds')[:26]}Z"


def read(leaf: bytes) -> dict[str, Any]:
    """The members of a stored leaf."""
    members: dict[str, Any] = orjson.loads(leaf)
    return members


@lru_cache(maxsize=20_000)
def _id_in(place: str | None) -> str | None:
    """The id at the end of `order/ord_…`, `account/cus_…` or `ord_…`, if it points at a person."""
    if place is None:
        return None
    last = place.rpartition("/")[2]
    return last if ids.is_id(last) and not last.startswith(_NOBODYS) else None
