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
from privity_contracts import ids

Tags = Mapping[tuple[str, str], str]
VERSION = 1
LONGEST = 2047
HASH_LENGTH = 16
ERASED = "erased"
"""In place of a tag when the person's key is gone."""

_ALPHABET = b'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:,/*"[]{}'
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
# Recipients are organisations under contract, products are goods, records are ours.
_NOBODYS = ("rcp_", "prd_", "rec_", "key_")


class NotRecordable(ValueError):
    """Something in the access is not a name or an id. What it is is not repeated."""


class Fields(NamedTuple):
    """What several accesses to the same fields have in common, worked out once."""

    json: orjson.Fragment
    categories: str
    openable: frozenset[str]
    carriable: frozenset[str]
    comparable: frozenset[str]


@lru_cache(maxsize=4096)
def fields_of(accesses: tuple[FieldAccess, ...]) -> Fields:
    by_decision: dict[str, dict[str, list[str]]] = {}
    for name, category, decision in sorted(set(accesses)):
        by_decision.setdefault(decision, {}).setdefault(category, []).append(name)
    return Fields(
        json=orjson.Fragment(orjson.dumps(by_decision, option=orjson.OPT_SORT_KEYS)),
        categories=" ".join(sorted({access.category for access in accesses})),
        openable=frozenset(a.category for a in accesses if a.decision in OPENED),
        carriable=frozenset(a.category for a in accesses if a.decision == "carry"),
        comparable=frozenset(a.category for a in accesses if a.decision == "look_up"),
    )


def is_person(actor: str) -> bool:
    return actor.startswith(("cus_", "stf_"))


def tagged_in(access: Access) -> list[tuple[str, str]]:
    """What in the access becomes a tag, as pairs of whose it is and what it is.

    What belongs to the subject is tagged under the subject's key, without one under the actor's.
    """
    subject, actor = access.subject, access.actor
    owner = subject or actor
    found = {} if subject is None else {(subject, subject): None}
    if is_person(actor):
        found[actor, actor] = None
    for place in (access.resource, access.work, access.scope):
        what = place and id_in(place)
        if what:
            found[owner, what] = None
    return list(found)


def write(access: Access, *, record_id: str, at: str, tags: Tags) -> bytes:
    """`tags` holds one for each pair of `tagged_in`. Raises NotRecordable."""
    actor, subject, reason = access.actor, access.subject, access.reason
    owner = subject or actor
    if reason is not None and _CODE.fullmatch(reason) is None:
        raise NotRecordable("the reason is not a code")
    members: dict[str, object] = {
        "v": VERSION,
        "id": record_id,
        "at": at,
        "kind": access.kind,
        "decision": access.decision,
        "actor": tags[actor, actor] if is_person(actor) else actor,
        "actor_kind": access.actor_kind,
        "role": access.role,
        "purpose": access.purpose,
        "clauses": access.clauses,
        "policy": access.policy,
        "service": access.service,
        "fields": fields_of(access.fields).json,
    }
    if access.policy_hash is not None:
        members["policy_hash"] = access.policy_hash[:HASH_LENGTH]
    if access.route is not None:
        members["route"] = access.route
    if subject is not None:
        members["subject"] = tags[subject, subject]
    if access.work is not None:
        members["work"] = _tagged(access.work, owner, tags)
    if access.resource is not None:
        members["resource"] = _tagged(access.resource, owner, tags)
    if access.scope is not None:
        members["scope"] = _tagged(access.scope, owner, tags)
    if access.recipient is not None:
        members["recipient"] = access.recipient
    if reason is not None:
        members["reason"] = reason
    # One that the client chose could say anything.
    if access.request_id is not None and ids.is_id(access.request_id, "req"):
        members["request"] = access.request_id
    leaf = orjson.dumps(members, option=orjson.OPT_SORT_KEYS)
    if leaf.translate(None, _ALPHABET):
        raise NotRecordable("a character that no name and no id has")
    return leaf


def _tagged(place: str, owner: str, tags: Tags) -> str:
    what = id_in(place)
    return place if what is None else with_tag(place, what, tags[owner, what])


def with_tag(place: str, what: str, tag: str) -> str:
    """`order/ord_…` as `order/t1:…`, `ord_…` as `ord/t1:…`."""
    return (place[: -len(what)] or f"{what[:3]}/") + tag


def member(name: str, value: str) -> bytes:
    """As it stands in a leaf. No value holds a quotation mark, so nothing else reads like it."""
    return f'"{name}":"{value}"'.encode()


def parts_of(access: Access) -> list[Access]:
    """Half the fields each, for an access whose leaf is too long."""
    half = len(access.fields) // 2
    if half == 0:
        raise NotRecordable("too long with a single field")
    return [
        replace(access, fields=access.fields[:half]),
        replace(access, fields=access.fields[half:]),
    ]


def stamp(at: datetime) -> str:
    """UTC with microseconds: as text in the order of time."""
    return f"{at.isoformat(timespec='microseconds')[:26]}Z"


def read(leaf: bytes) -> dict[str, Any]:
    """The members of a stored leaf."""
    members: dict[str, Any] = orjson.loads(leaf)
    return members


@lru_cache(maxsize=20_000)
def id_in(place: str) -> str | None:
    """The id at the end of `order/ord_…`, `account/cus_…` or `ord_…`, if it points at a person."""
    last = place.rpartition("/")[2]
    return last if ids.is_id(last) and not last.startswith(_NOBODYS) else None
