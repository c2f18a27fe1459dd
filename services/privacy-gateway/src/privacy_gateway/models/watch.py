"""How far the watch has come, what it counted, and what it raised."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from privacy_gateway.models.databases import Base, Moment


class WatchPlace(Base):
    """One row: the index in the log from which on to look, and whose turn it is."""

    __tablename__ = "watch_place"
    __table_args__ = (CheckConstraint("one"),)

    one: Mapped[bool] = mapped_column(primary_key=True)
    next_index: Mapped[int] = mapped_column(BigInteger)
    seen_at: Mapped[datetime] = mapped_column(Moment)
    holder: Mapped[str | None] = mapped_column(Text)
    until: Mapped[datetime] = mapped_column(Moment)


class RecordCount(Base):
    """How many records an hour has of each sort. Nobody's id, and no tag."""

    __tablename__ = "record_counts"

    hour: Mapped[datetime] = mapped_column(Moment, primary_key=True)
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    decision: Mapped[str] = mapped_column(Text, primary_key=True)
    purpose: Mapped[str] = mapped_column(Text, primary_key=True)
    role: Mapped[str] = mapped_column(Text, primary_key=True)
    service: Mapped[str] = mapped_column(Text, primary_key=True)
    records: Mapped[int] = mapped_column(BigInteger)


class Alert(Base):
    """`key` tells one matter from another; `actor` is a tag of the audit store."""

    __tablename__ = "alerts"
    __table_args__ = (
        CheckConstraint(
            "(acknowledged_at IS NULL) = (acknowledged_by IS NULL)"
            " AND (acknowledged_at IS NULL) = (acknowledged_why IS NULL)",
            name="alerts_acknowledged",
        ),
        Index("alerts_order", "raised_at", "id"),
        Index("alerts_open", "rule", postgresql_where=text("acknowledged_at IS NULL")),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[str] = mapped_column(Text, unique=True)
    rule: Mapped[str] = mapped_column(Text)
    actor: Mapped[str | None] = mapped_column(Text)
    role: Mapped[str | None] = mapped_column(Text)
    record_id: Mapped[str | None] = mapped_column(Text)
    count: Mapped[int] = mapped_column(Integer)
    limit: Mapped[int] = mapped_column(Integer)
    first_at: Mapped[datetime] = mapped_column(Moment)
    last_at: Mapped[datetime] = mapped_column(Moment)
    raised_at: Mapped[datetime] = mapped_column(Moment)
    acknowledged_at: Mapped[datetime | None] = mapped_column(Moment)
    acknowledged_by: Mapped[str | None] = mapped_column(Text)
    acknowledged_why: Mapped[str | None] = mapped_column(Text)
