"""What a sweep says of keys that belong to nothing."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0012", "0011"


def upgrade() -> None:
    op.add_column("sweeps", sa.Column("orphans", sa.Integer, nullable=False, server_default="0"))
    op.add_column("sweeps", sa.Column("orphans_until", sa.DateTime(timezone=True)))
