"""Exports of the audit store, and the files that they are made of, part by part."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from privacy_gateway.models.databases import Base, Moment


class Export(Base):
    """`next_index` is how far it has come in the log, up to `size`, which its checkpoint signs."""

    __tablename__ = "exports"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'running', 'ready', 'expired')", name="exports_state"),
        Index("exports_order", "asked_at", "id"),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    format: Mapped[str] = mapped_column(Text)
    filters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    asked_by: Mapped[str] = mapped_column(Text)
    asked_at: Mapped[datetime] = mapped_column(Moment)
    size: Mapped[int | None] = mapped_column(BigInteger)
    next_index: Mapped[int] = mapped_column(BigInteger)
    parts: Mapped[int] = mapped_column(Integer)
    records: Mapped[int] = mapped_column(BigInteger)
    ready_at: Mapped[datetime | None] = mapped_column(Moment)
    expires_at: Mapped[datetime | None] = mapped_column(Moment)


class ExportPart(Base):
    """A piece of a file; a file is its parts in order."""

    __tablename__ = "export_parts"

    export_id: Mapped[str] = mapped_column(
        ForeignKey(Export.id, ondelete="CASCADE"), primary_key=True
    )
    path: Mapped[str] = mapped_column(Text, primary_key=True)
    part: Mapped[int] = mapped_column(Integer, primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
