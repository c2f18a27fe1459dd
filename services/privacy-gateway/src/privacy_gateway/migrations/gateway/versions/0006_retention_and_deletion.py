"""Retention clocks, holds and ends; deletions; what partners are told; durable jobs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from privity_jobs import schema

revision, down_revision = "0006", "0005"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    schema.upgrade(op)  # type: ignore[arg-type]  # a module that stands for one
    _retention()
    _deletions()
    op.create_table(
        "journal_replay",
        sa.Column("one", sa.Boolean, sa.CheckConstraint("one"), primary_key=True),
        sa.Column("through", sa.BigInteger, nullable=False),
    )
    op.execute("INSERT INTO journal_replay VALUES (true, 0)")


def _retention() -> None:
    op.create_table(
        "retention_clocks",
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("clock", sa.Text, primary_key=True),
        sa.Column("subject_id", sa.Text, nullable=False, index=True),
        sa.Column("country", sa.Text),
        sa.Column("started_at", MOMENT, nullable=False),
    )
    op.create_index("retention_clocks_running", "retention_clocks", ["clock", "started_at"])
    op.create_table(
        "retention_ends",
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("retention_class", sa.Text, primary_key=True),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
    )
    op.create_table(
        "legal_holds",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("subject_id", sa.Text, nullable=False),
        sa.Column("scope", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("placed_by", sa.Text, nullable=False),
        sa.Column("placed_at", MOMENT, nullable=False),
        sa.Column("released_by", sa.Text),
        sa.Column("released_at", MOMENT),
        sa.CheckConstraint(
            "reason IN ('litigation', 'authority_order', 'payment_dispute', 'audit')",
            name="legal_holds_reason",
        ),
    )
    op.create_index(
        "legal_holds_standing",
        "legal_holds",
        ["subject_id"],
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_table(
        "left_behind",
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("subject_id", sa.Text, nullable=False, index=True),
        sa.Column("deletion_id", sa.Text, nullable=False),
    )
    op.create_table(
        "sweeps",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Column("gone", sa.Integer, nullable=False),
        sa.Column("held", sa.Integer, nullable=False),
        sa.Column("failed", sa.Integer, nullable=False),
    )


def _deletions() -> None:
    op.create_table(
        "deletions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("subject_id", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("step", sa.Text),
        sa.Column("asked_by", sa.Text),
        sa.Column("approved_by", sa.Text),
        sa.Column("orders_in_progress", sa.Text, nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("runs_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Column("plan", JSONB),
        sa.Column("sealed", ARRAY(sa.Text)),
        sa.Column("receipt", sa.Text),
        sa.Column("receipt_key_hash", sa.LargeBinary),
        sa.CheckConstraint(
            "state IN ('proposed', 'waiting', 'running', 'done', 'undone', 'declined')",
            name="deletions_state",
        ),
        sa.CheckConstraint("approved_by <> asked_by", name="deletions_two_people"),
        sa.CheckConstraint(
            "(state IN ('done', 'undone', 'declined')) = (subject_id IS NULL)",
            name="deletions_name_nobody_afterwards",
        ),
    )
    op.create_index(
        "deletions_one_at_a_time",
        "deletions",
        ["subject_id"],
        unique=True,
        postgresql_where=sa.text("subject_id IS NOT NULL"),
    )
    op.create_table(
        "purge_requests",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("deletion_id", sa.Text, nullable=False, index=True),
        sa.Column("recipient_id", sa.Text, sa.ForeignKey("recipients.id"), nullable=False),
        sa.Column("delivery_id", sa.Text, nullable=False),
        sa.Column("shipment_id", sa.Text, nullable=False),
        sa.Column("purge_by", MOMENT, nullable=False),
        sa.Column("told_at", MOMENT),
        sa.Column("outcome", sa.Text),
        sa.UniqueConstraint("delivery_id"),
    )
