"""The records, and what their tags stand for."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from privacy_gateway.models.databases import AuditBase, Moment


class Record(AuditBase):
    """A leaf, byte for byte. Every other column is worked out from it, for finding it."""

    __tablename__ = "records"
    __table_args__ = (
        CheckConstraint("octet_length(leaf) < 2048", name="records_leaf_under_2_kb"),
        Index("records_order", "recorded_at", "id"),
        Index("records_subject", "subject_tag", "recorded_at", "id"),
        Index("records_actor", "actor_tag", "recorded_at", "id"),
        Index("records_purpose", "purpose", "recorded_at", "id"),
        Index("records_kind", "kind", "recorded_at", "id"),
        Index(
            "records_refused",
            "recorded_at",
            "id",
            postgresql_where=text("decision = 'refuse'"),
        ),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(Moment)
    leaf: Mapped[bytes] = mapped_column(LargeBinary)
    kind: Mapped[str] = mapped_column(Text)
    decision: Mapped[str] = mapped_column(Text)
    purpose: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text)
    subject_tag: Mapped[str | None] = mapped_column(Text)
    actor_tag: Mapped[str] = mapped_column(Text)
    categories: Mapped[list[str]] = mapped_column(ARRAY(Text))


class TagOpening(AuditBase):
    """What a tag stands for, sealed under the person's own key."""

    __tablename__ = "openings"

    tag: Mapped[str] = mapped_column(Text, primary_key=True)
    month: Mapped[str] = mapped_column(Text)
    sealed: Mapped[str] = mapped_column(Text)
