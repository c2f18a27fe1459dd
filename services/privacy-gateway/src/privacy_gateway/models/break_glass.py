"""Who broke the glass, why, who was told and who looked at it afterwards."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from privacy_gateway.models.databases import Base, Moment
from privacy_gateway.models.staff import StaffMember


class BreakGlass(Base):
    __tablename__ = "break_glass"
    __table_args__ = (
        CheckConstraint("ends_at <= opened_at + interval '1 hour'", name="break_glass_end"),
        CheckConstraint("outcome IN ('justified', 'not_justified')", name="break_glass_outcome"),
        CheckConstraint("reviewed_by <> staff_id", name="break_glass_two_people"),
        Index("break_glass_order", "opened_at", "id"),
        # What is left to do; rows leave it for good.
        Index("break_glass_to_tell", "next_try_at", postgresql_where=text("told_at IS NULL")),
        Index("break_glass_to_review", "review_by", postgresql_where=text("outcome IS NULL")),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    staff_id: Mapped[str] = mapped_column(ForeignKey(StaffMember.id))
    role: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    ticket: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime] = mapped_column(Moment)
    ends_at: Mapped[datetime] = mapped_column(Moment)
    review_by: Mapped[datetime] = mapped_column(Moment)
    # Telling the data protection officer. The next try is put off before it is made, so that two
    # processes do not make it at once.
    told_at: Mapped[datetime | None] = mapped_column(Moment)
    tries: Mapped[int] = mapped_column(Integer)
    next_try_at: Mapped[datetime] = mapped_column(Moment)
    reminded_at: Mapped[datetime | None] = mapped_column(Moment)
    outcome: Mapped[str | None] = mapped_column(Text)
    reviewed_by: Mapped[str | None] = mapped_column(Text)
    reviewed_at: Mapped[datetime | None] = mapped_column(Moment)
