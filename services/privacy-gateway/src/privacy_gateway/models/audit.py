"""The records, what their tags stand for, and the log that they are put into."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
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
        Index("records_batch", "process_id", "batch"),
        {"postgresql_partition_by": "RANGE (recorded_at)"},
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(Moment, primary_key=True)
    leaf: Mapped[bytes] = mapped_column(LargeBinary)
    kind: Mapped[str] = mapped_column(Text)
    decision: Mapped[str] = mapped_column(Text)
    purpose: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text)
    subject_tag: Mapped[str | None] = mapped_column(Text)
    actor_tag: Mapped[str] = mapped_column(Text)
    categories: Mapped[list[str]] = mapped_column(ARRAY(Text))
    process_id: Mapped[str | None] = mapped_column(Text)
    batch: Mapped[int | None] = mapped_column(BigInteger)
    position: Mapped[int | None] = mapped_column(Integer)


class TagOpening(AuditBase):
    """What a tag stands for, sealed under the person's own key."""

    __tablename__ = "openings"

    tag: Mapped[str] = mapped_column(Text, primary_key=True)
    month: Mapped[str] = mapped_column(Text)
    sealed: Mapped[str] = mapped_column(Text)


class Process(AuditBase):
    """A gateway process and the key that it signs with, under the gateway's own signature."""

    __tablename__ = "processes"

    process_id: Mapped[str] = mapped_column(Text, primary_key=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    certificate: Mapped[bytes] = mapped_column(LargeBinary)
    started_at: Mapped[datetime] = mapped_column(Moment)


class SignedBatch(AuditBase):
    """What one commit added: how many records, the hash of their leaves, and what came before."""

    __tablename__ = "batches"

    process_id: Mapped[str] = mapped_column(Text, primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    previous: Mapped[bytes] = mapped_column(LargeBinary)
    records: Mapped[int] = mapped_column(Integer)
    leaves: Mapped[bytes] = mapped_column(LargeBinary)
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    written_at: Mapped[datetime] = mapped_column(Moment)


class LogBatch(AuditBase):
    """Where in the log a batch is. A record's index is the batch's first and its position."""

    __tablename__ = "log_batches"
    __table_args__ = (UniqueConstraint("process_id", "number", name="log_batches_once"),)

    first_index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    process_id: Mapped[str] = mapped_column(Text)
    number: Mapped[int] = mapped_column(BigInteger)
    records: Mapped[int] = mapped_column(Integer)


class Tile(AuditBase):
    """Hashes of the Merkle tree, up to 256 of one level; the rightmost of each level grows."""

    __tablename__ = "tiles"

    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    hashes: Mapped[bytes] = mapped_column(LargeBinary)


class Checkpoint(AuditBase):
    """A signed note of the log's size and root; cosigned ones a witness has seen."""

    __tablename__ = "checkpoints"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    root: Mapped[bytes] = mapped_column(LargeBinary)
    note: Mapped[str] = mapped_column(Text)
    cosigned: Mapped[bool]
    written_at: Mapped[datetime] = mapped_column(Moment)


class Sequencing(AuditBase):
    """One row: whoever locks it is the sequencer."""

    __tablename__ = "sequencing"
    __table_args__ = (CheckConstraint("one"),)

    one: Mapped[bool] = mapped_column(primary_key=True)
    holder: Mapped[str | None] = mapped_column(Text)
    until: Mapped[datetime | None] = mapped_column(Moment)


class ArchivedMonth(AuditBase):
    """A month whose records lie in an archive, and the hash of the archive's manifest."""

    __tablename__ = "archived_months"

    month: Mapped[str] = mapped_column(Text, primary_key=True)
    records: Mapped[int] = mapped_column(BigInteger)
    manifest: Mapped[str] = mapped_column(Text)
    archived_at: Mapped[datetime] = mapped_column(Moment)
