"""When the need for something ended, what must stay nevertheless, and what went."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, Integer, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from privacy_gateway.models.databases import Base, Moment


class RetentionClock(Base):
    """A business event that ended the need for a scope's data, at its latest."""

    __tablename__ = "retention_clocks"
    __table_args__ = (Index("retention_clocks_running", "clock", "started_at"),)

    scope: Mapped[str] = mapped_column(Text, primary_key=True)
    clock: Mapped[str] = mapped_column(Text, primary_key=True)
    subject_id: Mapped[str] = mapped_column(Text, index=True)
    country: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(Moment)


class RetentionEnd(Base):
    """That a class is gone from a scope. Nothing of it comes back there."""

    __tablename__ = "retention_ends"

    scope: Mapped[str] = mapped_column(Text, primary_key=True)
    retention_class: Mapped[str] = mapped_column(Text, primary_key=True)
    why: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Moment)


class LegalHold(Base):
    """Nothing of this person, or of this scope of theirs, goes before it is released."""

    __tablename__ = "legal_holds"
    __table_args__ = (
        CheckConstraint(
            "reason IN ('litigation', 'authority_order', 'payment_dispute', 'audit')",
            name="legal_holds_reason",
        ),
        Index("legal_holds_standing", "subject_id", postgresql_where=text("released_at IS NULL")),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    subject_id: Mapped[str] = mapped_column(Text)
    scope: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    placed_by: Mapped[str] = mapped_column(Text)
    placed_at: Mapped[datetime] = mapped_column(Moment)
    released_by: Mapped[str | None] = mapped_column(Text)
    released_at: Mapped[datetime | None] = mapped_column(Moment)


class LeftBehind(Base):
    """A scope whose person asked to be deleted while it was under way: it goes when it ends."""

    __tablename__ = "left_behind"

    scope: Mapped[str] = mapped_column(Text, primary_key=True)
    subject_id: Mapped[str] = mapped_column(Text, index=True)
    deletion_id: Mapped[str] = mapped_column(Text)


class Sweep(Base):
    """One look at everything that was due, and what became of it."""

    __tablename__ = "sweeps"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    began_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    gone: Mapped[int] = mapped_column(Integer)
    held: Mapped[int] = mapped_column(Integer)
    failed: Mapped[int] = mapped_column(Integer)
    orphans: Mapped[int] = mapped_column(Integer, server_default="0")
    """Keys of what never came to exist, destroyed."""
    orphans_until: Mapped[datetime | None] = mapped_column(Moment)
    """All keys that were made before were looked at; nothing when that failed."""
