"""What was deleted, as tags."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def upgrade() -> None:
    op.create_table(
        "journal",
        sa.Column("number", sa.Integer, sa.Identity(always=True), primary_key=True),
        sa.Column("tag", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
