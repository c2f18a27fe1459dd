"""Who the directory took roles from or deactivated, and staff of an identity provider."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision, down_revision = "0005", "0004"


def upgrade() -> None:
    op.add_column("staff", sa.Column("source", sa.Text, nullable=False, server_default="file"))
    op.add_column(
        "staff", sa.Column("withheld_roles", ARRAY(sa.Text), nullable=False, server_default="{}")
    )
    op.add_column("staff", sa.Column("deactivated_at", sa.DateTime(timezone=True)))
    op.add_column("staff", sa.Column("deactivated_by", sa.Text))
    op.add_column("staff", sa.Column("deactivated_why", sa.Text))
    op.alter_column("staff", "password_hash", nullable=True)
    op.create_check_constraint("staff_source", "staff", "source IN ('file', 'openid')")
