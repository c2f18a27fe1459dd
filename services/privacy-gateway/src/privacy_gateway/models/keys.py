"""The data keys."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, LargeBinary, Text, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from privacy_gateway.models.databases import KeyBase, Moment


class DataKeyRow(KeyBase):
    """A wrapped data key, or the place of one that was destroyed."""

    __tablename__ = "data_keys"
    __table_args__ = (
        UniqueConstraint("subject", "scope", "retention_class"),
        Index("data_keys_scope", "scope", "created_at"),
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
