"""Exports of the audit store, and the parts of their files."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision, down_revision = "0008", "0007"

_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "exports",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("format", sa.Text, nullable=False),
        sa.Column("filters", JSONB, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("asked_at", _time, nullable=False),
        sa.Column("size", sa.BigInteger),
        sa.Column("next_index", sa.BigInteger, nullable=False),
        sa.Column("parts", sa.Integer, nullable=False),
        sa.Column("records", sa.BigInteger, nullable=False),
        sa.Column("ready_at", _time),
        sa.Column("expires_at", _time),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'ready', 'expired')", name="exports_state"
        ),
    )
    op.create_index("exports_order", "exports", ["asked_at", "id"])
    op.create_table(
        "export_parts",
        sa.Column(
            "export_id",
            sa.Text,
            sa.ForeignKey("exports.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("part", sa.Integer, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
