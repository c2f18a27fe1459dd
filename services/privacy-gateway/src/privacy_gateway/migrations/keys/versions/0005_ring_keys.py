"""The gateway's own keys that change while it serves."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0005", "0004"


def upgrade() -> None:
    op.create_table(
        "ring_keys",
        sa.Column("key_id", sa.Text, primary_key=True),
        sa.Column("ring", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
        sa.Column("kek_id", sa.Text, nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("ends_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("state IN ('coming', 'current', 'leaving')", name="ring_keys_state"),
    )
    op.create_index(
        "ring_keys_current",
        "ring_keys",
        ["ring"],
        unique=True,
        postgresql_where=sa.text("state = 'current'"),
    )
