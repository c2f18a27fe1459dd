"""When an account was last told to be in use."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0007", "0006"


def upgrade() -> None:
    op.add_column("accounts", sa.Column("active_at", sa.DateTime(timezone=True)))
