"""Rotations, how far they are, and what is to be recorded of them; keys of a ring are counted."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0006", "0005"

MOMENT, NOW = sa.DateTime(timezone=True), sa.text("now()")


def upgrade() -> None:
    op.add_column(
        "ring_keys", sa.Column("generation", sa.Integer, nullable=False, server_default="0")
    )
    op.create_table(
        "key_rotations",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text),
        sa.Column("done", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("left", sa.BigInteger),
        sa.Column("problem", sa.Text),
        sa.Column("begun_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("moved_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("finished_at", MOMENT),
    )
    op.create_index(
        "key_rotations_running",
        "key_rotations",
        ["kind"],
        unique=True,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_table(
        "key_steps",
        sa.Column("number", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text),
        sa.Column("at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("taken_at", MOMENT),
        sa.Column("record_id", sa.Text),
        sa.CheckConstraint("step IN ('begun', 'finished', 'destroyed')", name="key_steps_step"),
    )
    op.create_index(
        "key_steps_untold",
        "key_steps",
        ["number"],
        postgresql_where=sa.text("record_id IS NULL"),
    )
