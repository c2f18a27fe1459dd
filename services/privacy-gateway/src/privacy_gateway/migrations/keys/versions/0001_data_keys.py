"""Data keys, wrapped."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def upgrade() -> None:
    op.create_table(
        "data_keys",
        sa.Column("key_id", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("retention_class", sa.Text, nullable=False),
        sa.Column("wrapped", sa.LargeBinary),
        sa.Column("kek_id", sa.Text),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.func.now(),
            nullable=False,
        ),
        sa.Column("destroyed_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("subject", "scope", "retention_class"),
        sa.CheckConstraint(
            "(wrapped IS NULL) = (destroyed_at IS NOT NULL)"
            " AND (kek_id IS NULL) = (destroyed_at IS NOT NULL)",
            name="data_keys_wrapped_until_destroyed",
        ),
    )
