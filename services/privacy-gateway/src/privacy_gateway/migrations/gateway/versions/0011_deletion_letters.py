"""What the person is told of their deletion, and the codes that confirm one at once."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0011", "0010"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("deletions", sa.Column("letter", sa.Text))
    op.create_table(
        "deletion_codes",
        sa.Column("subject_id", sa.Text, primary_key=True),
        sa.Column("deletion_id", sa.Text, nullable=False, unique=True),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("sent", sa.Integer, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
    )
