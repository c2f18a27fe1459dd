"""What was read of a body that a client sent, and what is still to be done with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Errors = list[tuple[str, str]]


@dataclass(slots=True)
class Slot:
    """A place in the body that gets a sealed value."""

    container: dict[str, Any]
    name: str
    path: str
    category: str
    plaintext: str


@dataclass(slots=True)
class Lookup:
    """A place in the body that gets a blind index."""

    container: dict[str, Any]
    name: str
    category: str
    plaintext: str


@dataclass(slots=True)
class Carry:
    """A place in the body that gets an object of another service, sealed anew."""

    container: dict[str, Any]
    name: str
    service: str
    path: str
    key: str
    fields: Mapping[str, str | None]  # wanted field → its category when sealed


@dataclass(frozen=True, slots=True)
class Assignee:
    """Somebody whose work something becomes; None: whoever asks."""

    path: str
    staff_id: str | None
    work: str


@dataclass(slots=True)
class Reading:
    """A body that passed; the slots, look-ups and carries are still to be filled."""

    body: dict[str, Any] = field(default_factory=dict)
    slots: list[Slot] = field(default_factory=list)
    lookups: list[Lookup] = field(default_factory=list)
    carries: list[Carry] = field(default_factory=list)
    assignees: list[Assignee] = field(default_factory=list)
    errors: Errors = field(default_factory=list)
