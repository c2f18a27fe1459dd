"""The tables. Personal values are sealed; codes, passwords and refresh tokens are not here at all,
only what recognises them."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Enum,
    ForeignKey,
    Identity,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from privity_contracts import BlindIndex, Sealed
from privity_database import SealedText, blind_index

SLOTS = ("even", "odd")


class AccountState(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"


class CaseKind(StrEnum):
    """What somebody turns to us with."""

    ENQUIRY = "enquiry"
    COMPLAINT = "complaint"
    FEEDBACK = "feedback"
    RETURN = "return"
    RIGHTS_REQUEST = "rights_request"


class CaseState(StrEnum):
    OPEN = "open"  # waits for somebody to take it
    ASSIGNED = "assigned"
    CLOSED = "closed"


class Outcome(StrEnum):
    """How a case ended."""

    RESOLVED = "resolved"
    NOT_JUSTIFIED = "not_justified"
    DUPLICATE = "duplicate"
    WITHDRAWN = "withdrawn"


class ConsentName(StrEnum):
    """What may be agreed to, or not."""

    MARKETING = "marketing"


def _choice(kind: type[StrEnum], name: str) -> Enum:
    """Text with a check: a native type of PostgreSQL cannot lose a value again."""
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        values_callable=lambda members: [member.value for member in members],
        length=20,
    )


class Base(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        str: Text,
        Sealed: SealedText,
        CaseKind: _choice(CaseKind, "case_kind"),
        CaseState: _choice(CaseState, "case_state"),
        Outcome: _choice(Outcome, "case_outcome"),
        ConsentName: _choice(ConsentName, "consent_name"),
    }


class Account(Base):
    """A customer, or somebody who says so and has not shown that the e-mail address is theirs."""

    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'active')", name="accounts_state"),
        # Pending accounts are not in it: claiming an address must not keep its owner out.
        # Both hold while one key takes over from another: docs/keys.md.
        *(
            Index(
                f"accounts_active_email_{slot}",
                f"email_index_{slot}",
                unique=True,
                postgresql_where=text("state = 'active'"),
            )
            for slot in SLOTS
        ),
        *(Index(f"accounts_phone_{slot}", f"phone_index_{slot}") for slot in SLOTS),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    name: Mapped[Sealed]
    email: Mapped[Sealed]
    email_index: Mapped[BlindIndex] = blind_index("email_index")
    phone: Mapped[Sealed]
    phone_index: Mapped[BlindIndex] = blind_index("phone_index")
    password_hash: Mapped[str]
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    active_at: Mapped[datetime | None]  # as others were last told


class Registration(Base):
    """The way from a pending account to an active one. Without `code_salt` no code opens it."""

    __tablename__ = "registrations"

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), unique=True
    )
    code_salt: Mapped[bytes | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    expires_at: Mapped[datetime] = mapped_column(index=True)


class EmailChange(Base):
    """An e-mail address that an account would like to have, until its owner says yes."""

    __tablename__ = "email_changes"

    account_id: Mapped[str] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True
    )
    request_id: Mapped[str] = mapped_column(unique=True)
    email: Mapped[Sealed]
    email_index: Mapped[BlindIndex] = blind_index("email_index")
    code_salt: Mapped[bytes | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    confirmed_at: Mapped[datetime | None]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class Session(Base):
    """One sign-in and all the refresh tokens that descend from it."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), index=True
    )
    started_at: Mapped[datetime]
    refreshed_at: Mapped[datetime]
    idle_until: Mapped[datetime]
    ends_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]


class RefreshToken(Base):
    """A token that was issued, spent or not. Spent ones stay, to recognise their second use."""

    __tablename__ = "refresh_tokens"

    hash: Mapped[bytes] = mapped_column(primary_key=True)
    session_id: Mapped[str] = mapped_column(
        ForeignKey("sessions.id", ondelete="CASCADE"), index=True
    )
    used_at: Mapped[datetime | None]


class Address(Base):
    __tablename__ = "addresses"
    __table_args__ = (UniqueConstraint("account_id", "request_key", name="addresses_request"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    recipient: Mapped[Sealed]
    phone: Mapped[Sealed]
    line1: Mapped[Sealed]
    line2: Mapped[Sealed | None]
    city: Mapped[Sealed]
    region: Mapped[Sealed | None]
    postal_code: Mapped[Sealed | None]
    country: Mapped[str]
    request_key: Mapped[bytes]
    fingerprint: Mapped[str]


class AttemptCount(Base):
    """How often something that can be guessed was tried. `key` names it by an id or an index."""

    __tablename__ = "attempt_counts"

    key: Mapped[str] = mapped_column(primary_key=True)
    tried: Mapped[int]
    since: Mapped[datetime] = mapped_column(index=True)


class Case(Base):
    """One matter that a person follows up.

    Whose it is stands here without a foreign key: a case is kept for as long as it may be asked
    about, which can be longer than the account is there.
    """

    __tablename__ = "cases"
    __table_args__ = (
        CheckConstraint(
            "(state = 'closed') = (closed_at IS NOT NULL AND outcome IS NOT NULL)",
            name="cases_closed_how",
        ),
        CheckConstraint("state <> 'assigned' OR assignee IS NOT NULL", name="cases_assigned_to"),
        CheckConstraint("state <> 'open' OR assignee IS NULL", name="cases_open_to_all"),
        Index("cases_by_subject", "subject_id", "opened_at", "id"),
        Index("cases_to_do", "due_at", "id", postgresql_where=text("state <> 'closed'")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[CaseKind]
    subject_id: Mapped[str]
    order_id: Mapped[str | None]
    # Of the access that the customer does not recognise, if that is what it is about.
    record_id: Mapped[str | None]
    state: Mapped[CaseState]
    assignee: Mapped[str | None]
    opened_at: Mapped[datetime]
    due_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    outcome: Mapped[Outcome | None]
    fingerprint: Mapped[str]


class CaseMessage(Base):
    """What the customer or the assignee wrote."""

    __tablename__ = "case_messages"
    __table_args__ = (Index("case_messages_by_case", "case_id", "sent_at", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"))
    author: Mapped[str]
    content: Mapped[Sealed]
    sent_at: Mapped[datetime]
    fingerprint: Mapped[str]


class CaseChange(Base):
    """What happened to a case, by whom and when."""

    __tablename__ = "case_changes"
    __table_args__ = (Index("case_changes_by_case", "case_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"))
    what: Mapped[str]
    actor: Mapped[str]
    role: Mapped[str]
    assignee: Mapped[str | None]
    reason: Mapped[str | None]
    at: Mapped[datetime]


class ConsentChange(Base):
    """Somebody's yes or no, and to what; never changed, so that it can be shown what was agreed.

    Without a foreign key, like a case: the proof is needed for longer than the account.
    """

    __tablename__ = "consent_changes"
    __table_args__ = (Index("consent_changes_by_subject", "subject_id", "name", "number"),)

    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    subject_id: Mapped[str]
    name: Mapped[ConsentName]
    given: Mapped[bool]
    policy_version: Mapped[str]
    at: Mapped[datetime]
