"""How many customers each staff member saw, and how many they may."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, Integer, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from privacy_gateway.models.databases import Base, Moment
from privacy_gateway.models.staff import StaffMember


class OrderVolume(Base):
    """Orders that were packed on one day."""

    __tablename__ = "order_volume"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    orders: Mapped[int] = mapped_column(Integer)


class CountedEvent(Base):
    """An event that is counted in the volume, so that it counts once."""

    __tablename__ = "counted_events"
    __table_args__ = (Index("counted_events_counted_at", "counted_at"),)

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    counted_at: Mapped[datetime] = mapped_column(Moment)


class BudgetSubject(Base):
    """That somebody saw a customer on a day. Whom, only the gateway's key can tell."""

    __tablename__ = "budget_subjects"
    __table_args__ = (Index("budget_subjects_day", "day"),)

    staff_id: Mapped[str] = mapped_column(Text, primary_key=True)
    role: Mapped[str] = mapped_column(Text, primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    subject_tag: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)


class BudgetDay(Base):
    """How many they were. More than allowed cannot be written, whoever writes beside us."""

    __tablename__ = "budget_days"
    __table_args__ = (CheckConstraint("subjects <= allowed", name="budget_days_within"),)

    staff_id: Mapped[str] = mapped_column(Text, primary_key=True)
    role: Mapped[str] = mapped_column(Text, primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    subjects: Mapped[int] = mapped_column(Integer)
    allowed: Mapped[int] = mapped_column(Integer)


class BudgetRaise(Base):
    """More for a while. Without a second look it ends after a day."""

    __tablename__ = "budget_raises"
    __table_args__ = (
        CheckConstraint("extra > 0", name="budget_raises_extra"),
        CheckConstraint("ends_at <= given_at + interval '7 days'", name="budget_raises_end"),
        CheckConstraint("outcome IN ('confirmed', 'withdrawn')", name="budget_raises_outcome"),
        CheckConstraint(
            "given_by <> staff_id AND reviewed_by <> staff_id"
            " AND (outcome <> 'confirmed' OR reviewed_by <> given_by)",
            name="budget_raises_two_people",
        ),
        Index("budget_raises_staff", "staff_id", "ends_at"),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    staff_id: Mapped[str] = mapped_column(ForeignKey(StaffMember.id))
    extra: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str] = mapped_column(Text)
    given_by: Mapped[str] = mapped_column(Text)
    given_at: Mapped[datetime] = mapped_column(Moment)
    ends_at: Mapped[datetime] = mapped_column(Moment)
    outcome: Mapped[str | None] = mapped_column(Text)
    reviewed_by: Mapped[str | None] = mapped_column(Text)
    reviewed_at: Mapped[datetime | None] = mapped_column(Moment)
