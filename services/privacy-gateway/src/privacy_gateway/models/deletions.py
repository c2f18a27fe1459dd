"""Deletions that somebody asked for, and what partners are told because of them."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from privacy_gateway.models.databases import Base, JournalBase, KeyBase, Moment
from privacy_gateway.models.recipients import Recipient


class Deletion(Base):
    """One run. When it is over it names nobody any more."""

    __tablename__ = "deletions"
    __table_args__ = (
        CheckConstraint(
            "state IN ('proposed', 'waiting', 'running', 'done', 'undone', 'declined')",
            name="deletions_state",
        ),
        CheckConstraint("approved_by <> asked_by", name="deletions_two_people"),
        CheckConstraint(
            "(state IN ('done', 'undone', 'declined')) = (subject_id IS NULL)",
            name="deletions_name_nobody_afterwards",
        ),
        Index(
            "deletions_one_at_a_time",
            "subject_id",
            unique=True,
            postgresql_where=text("subject_id IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    subject_id: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    step: Mapped[str | None] = mapped_column(Text)
    asked_by: Mapped[str | None] = mapped_column(Text)  # nobody: the customer themselves
    approved_by: Mapped[str | None] = mapped_column(Text)
    orders_in_progress: Mapped[str] = mapped_column(Text)
    asked_at: Mapped[datetime] = mapped_column(Moment)
    runs_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    # What goes and what stays, and the sealed values to look at again when it has gone.
    plan: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    sealed: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    # What became of the letter that says that it begins.
    letter: Mapped[str | None] = mapped_column(Text)
    receipt: Mapped[str | None] = mapped_column(Text)
    # Who asked can fetch the receipt when they cannot sign in any more.
    receipt_key_hash: Mapped[bytes | None] = mapped_column(LargeBinary)


class DeletionCode(Base):
    """That somebody was sent a code to confirm a deletion at once. The code itself is nowhere."""

    __tablename__ = "deletion_codes"

    subject_id: Mapped[str] = mapped_column(Text, primary_key=True)
    deletion_id: Mapped[str] = mapped_column(Text, unique=True)
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime] = mapped_column(Moment)
    attempts: Mapped[int] = mapped_column(Integer)
    # How many were sent since when: bounded by the day.
    sent: Mapped[int] = mapped_column(Integer)
    since: Mapped[datetime] = mapped_column(Moment)


class PurgeRequest(Base):
    """That a partner has to purge one delivery, by when; whether they were told, and said so."""

    __tablename__ = "purge_requests"
    __table_args__ = (
        UniqueConstraint("delivery_id"),
        Index("purge_requests_open", "purge_by", postgresql_where=text("attested_at IS NULL")),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    # Nothing where the parcel has arrived and nobody was deleted.
    deletion_id: Mapped[str | None] = mapped_column(Text, index=True)
    recipient_id: Mapped[str] = mapped_column(ForeignKey(Recipient.id))
    delivery_id: Mapped[str] = mapped_column(Text)
    shipment_id: Mapped[str] = mapped_column(Text)
    purge_by: Mapped[datetime] = mapped_column(Moment)
    told_at: Mapped[datetime | None] = mapped_column(Moment)
    outcome: Mapped[str | None] = mapped_column(Text)
    reminders: Mapped[int] = mapped_column(Integer, server_default="0")
    reminded_at: Mapped[datetime | None] = mapped_column(Moment)
    # When it came in, what they say, and what they signed.
    attested_at: Mapped[datetime | None] = mapped_column(Moment)
    purged_at: Mapped[datetime | None] = mapped_column(Moment)
    attestation: Mapped[str | None] = mapped_column(Text)
    # When the partner was suspended over it.
    suspended_at: Mapped[datetime | None] = mapped_column(Moment)


class ReplayMark(Base):
    """Up to which entry of the journal this database is known to agree with it."""

    __tablename__ = "journal_replay"
    __table_args__ = (CheckConstraint("one"),)

    one: Mapped[bool] = mapped_column(primary_key=True)
    through: Mapped[int] = mapped_column(BigInteger)
    key_check: Mapped[bytes | None] = mapped_column(LargeBinary)


class KeyReplayMark(KeyBase):
    """The same, for the keys: each of the two can be restored without the other."""

    __tablename__ = "journal_replay"
    __table_args__ = (CheckConstraint("one"),)

    one: Mapped[bool] = mapped_column(primary_key=True)
    through: Mapped[int] = mapped_column(BigInteger)
    key_check: Mapped[bytes | None] = mapped_column(LargeBinary)


class JournalEntry(JournalBase):
    """That one class of one scope of somebody is gone. Only our key can tell whose."""

    __tablename__ = "journal"

    number: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    tag: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    at: Mapped[datetime] = mapped_column(Moment)
