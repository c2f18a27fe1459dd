"""What is written down: one access of one actor to what belongs to one subject."""

from collections.abc import Collection
from dataclasses import InitVar, dataclass
from typing import Final, Literal, NamedTuple

Kind = Literal[
    "read",
    "collect",
    "change",
    "carry",
    "search",
    "disclosure",
    "refusal",
    "grant",
    "session",
    "audit_read",
    "policy",
    "key",
]
FieldDecision = Literal["reveal", "generalise", "mask", "carry", "seal", "look_up", "withhold"]
Decision = Literal["allow", "refuse"]

OPENED: Final = frozenset({"reveal", "generalise", "mask"})
_DURABLE: Final = object()
"""Only the audit log passes this on, and only after the commit."""


class FieldAccess(NamedTuple):
    """One field of the answer: its name in the contract (never a value), and what became of it."""

    name: str
    category: str
    decision: FieldDecision


@dataclass(slots=True, kw_only=True)  # frozen it costs four times as much to make
class Access:
    """Ids go in as they are; the leaf that is stored holds tags in their place.

    `subject` is nobody for what concerns no customer. `reason` is a code, never free text.
    """

    kind: Kind
    subject: str | None
    actor: str
    actor_kind: str
    role: str
    purpose: str
    clauses: tuple[str, ...]
    policy: str
    service: str
    scope: str | None
    decision: Decision
    fields: tuple[FieldAccess, ...] = ()
    work: str | None = None
    resource: str | None = None
    recipient: str | None = None
    reason: str | None = None
    request_id: str | None = None
    policy_hash: str | None = None
    """Of the policy's file: with `policy` it names what was decided by, whatever lies there now."""
    route: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Proof that a record is durable, and what it therefore allows to be opened."""

    record_id: str
    subject: str | None
    scope: str | None
    openable: Collection[str]
    """Categories that leave in the clear, whole or masked."""
    carriable: Collection[str]
    """Categories that are sealed again under another scope."""
    comparable: Collection[str] = ()
    """Categories that get a blind index of which nobody sees the value."""
    durable: InitVar[object]

    def __post_init__(self, durable: object) -> None:
        if durable is not _DURABLE:
            raise TypeError("a receipt comes from the audit log, after the record is durable")
