"""The delivery payload: the least that delivers.

It is built from a list of what may be in it, member by member. What the policy does not allow is
left out; what the agreement does not cover stops the whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import orjson

from privacy_gateway.domain.audit.access import FieldAccess
from privacy_gateway.domain.disclosure import schemas


class Member(NamedTuple):
    """A member of the payload: where it stands, and what it holds."""

    group: str
    name: str
    category: str


# Field of the order's delivery details → its place in the payload.
MEMBERS: Final[Mapping[str, Member]] = {
    "recipient": Member("recipient", "name", "user.name"),
    "phone": Member("recipient", "phone", "user.contact.phone_number"),
    "line1": Member("address", "line1", "user.contact.address.street"),
    "line2": Member("address", "line2", "user.contact.address.street"),
    "city": Member("address", "city", "user.contact.address.city"),
    "region": Member("address", "region", "user.contact.address.state"),
    "postal_code": Member("address", "postal_code", "user.contact.address.postal_code"),
    "country": Member("address", "country", "user.contact.address.country"),
}


class NotAsPublished(Exception):
    """The payload would not be what the schema promises. Holds pointers and codes only."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__(f"{len(errors)} members are not as published")
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Plan:
    """The fields that go into one payload, decided before any of them is read."""

    fields: tuple[str, ...]

    @property
    def categories(self) -> frozenset[str]:
        return frozenset(MEMBERS[field].category for field in self.fields)

    @property
    def accesses(self) -> tuple[FieldAccess, ...]:
        """What the record says of the payload: each of its members, as revealed."""
        return tuple(
            FieldAccess(f"{member.group}.{member.name}", member.category, "reveal")
            for member in (MEMBERS[field] for field in self.fields)
        )


def plan(present: Sequence[str], *, allowed: frozenset[str]) -> Plan:
    """`present`: the fields that this order has."""
    return Plan(
        tuple(
            field
            for field, member in MEMBERS.items()
            if field in present and member.category in allowed
        )
    )


def build(
    values: Mapping[str, str],
    *,
    delivery_id: str,
    shipment_id: str,
    weight_grams: int,
    now: datetime,
) -> bytes:
    """Compact JSON. Raises NotAsPublished."""
    groups: dict[str, dict[str, str]] = {"recipient": {}, "address": {}}
    for field, value in values.items():
        member = MEMBERS[field]
        groups[member.group][member.name] = value
    payload: dict[str, Any] = {
        "type": "delivery_request",
        "id": delivery_id,
        "shipment": shipment_id,
        "sent_at": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **groups,
        "parcel": {"weight_grams": weight_grams},
    }
    if errors := schemas.errors(schemas.DELIVERY_REQUEST, payload):
        raise NotAsPublished(errors)
    return orjson.dumps(payload)


def build_encrypted(delivery_id: str, encrypted: str) -> bytes:
    return orjson.dumps({"type": "delivery_request", "id": delivery_id, "encrypted": encrypted})
