"""The data keys, and which processes may hold some of them in memory."""

from datetime import datetime

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Text,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from privacy_gateway.models.databases import KeyBase, Moment

_PLACE = ("subject", "scope", "retention_class")


class DataKeyRow(KeyBase):
    """A wrapped data key, or the place of one that was destroyed.

    A retired key still opens what was sealed under it; each place has at most one that is not.
    """

    __tablename__ = "data_keys"
    __table_args__ = (
        Index("data_keys_place", *_PLACE),
        Index(
            "data_keys_current", *_PLACE, unique=True, postgresql_where=text("retired_at IS NULL")
        ),
        Index("data_keys_scope", "scope", "created_at"),
        Index(
            "data_keys_wrapped_by",
            "kek_id",
            "key_id",
            postgresql_where=text("destroyed_at IS NULL"),
        ),
        CheckConstraint(
            "(wrapped IS NULL) = (destroyed_at IS NOT NULL)"
            " AND (kek_id IS NULL) = (destroyed_at IS NOT NULL)",
            name="data_keys_wrapped_until_destroyed",
        ),
    )

    key_id: Mapped[str] = mapped_column(Text, primary_key=True)
    subject: Mapped[str] = mapped_column(Text)
    scope: Mapped[str] = mapped_column(Text)
    retention_class: Mapped[str] = mapped_column(Text)
    wrapped: Mapped[bytes | None] = mapped_column(LargeBinary)
    kek_id: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    destroyed_at: Mapped[datetime | None] = mapped_column(Moment)
    retired_at: Mapped[datetime | None] = mapped_column(Moment)
    seals: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """How often it has sealed, as far as the processes have told."""


class KeyNotice(KeyBase):
    """What every process must know: keys that are gone, or (with none named) that keys changed.

    Its number grows in the order of commits.
    """

    __tablename__ = "key_notices"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    key_ids: Mapped[list[str]] = mapped_column(ARRAY(Text))
    at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())


class KeyHolder(KeyBase):
    """A process that may hold keys, and up to which notice it has let go of them."""

    __tablename__ = "key_holders"

    process_id: Mapped[str] = mapped_column(Text, primary_key=True)
    confirmed: Mapped[int] = mapped_column(BigInteger)
    seen_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())


class RingKey(KeyBase):
    """A key of the gateway's own, wrapped. One of a ring is used; others are accepted beside it."""

    __tablename__ = "ring_keys"
    __table_args__ = (
        Index("ring_keys_current", "ring", unique=True, postgresql_where=text("state = 'current'")),
        CheckConstraint("state IN ('coming', 'current', 'leaving')", name="ring_keys_state"),
    )

    key_id: Mapped[str] = mapped_column(Text, primary_key=True)
    ring: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    wrapped: Mapped[bytes] = mapped_column(LargeBinary)
    kek_id: Mapped[str] = mapped_column(Text)
    generation: Mapped[int] = mapped_column(Integer, server_default="0")
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    ends_at: Mapped[datetime | None] = mapped_column(Moment)


class KeyRotation(KeyBase):
    """One change of keys, and how far it is. Of a kind there is one at a time."""

    __tablename__ = "key_rotations"
    __table_args__ = (
        Index(
            "key_rotations_running",
            "kind",
            unique=True,
            postgresql_where=text("finished_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    key_id: Mapped[str | None] = mapped_column(Text)
    """Of the key that takes over, once there is one."""
    done: Mapped[int] = mapped_column(BigInteger, server_default="0")
    left: Mapped[int | None] = mapped_column(BigInteger)
    problem: Mapped[str | None] = mapped_column(Text)
    """A code for what it waits for."""
    begun_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    moved_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    finished_at: Mapped[datetime | None] = mapped_column(Moment)


class KeyStep(KeyBase):
    """What happened to a key, for the audit store; written where it happens, in the same commit."""

    __tablename__ = "key_steps"
    __table_args__ = (
        CheckConstraint("step IN ('begun', 'finished', 'destroyed')", name="key_steps_step"),
        Index("key_steps_untold", "number", postgresql_where=text("record_id IS NULL")),
        Index(
            "key_steps_destroyed",
            "key_id",
            unique=True,
            postgresql_where=text("step = 'destroyed'"),
        ),
    )

    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    step: Mapped[str] = mapped_column(Text)
    key_id: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    taken_at: Mapped[datetime | None] = mapped_column(Moment)
    """When a process last set out to record it."""
    record_id: Mapped[str | None] = mapped_column(Text)
