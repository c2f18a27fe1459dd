"""Which key the journal of deletions is written under, so that another one is noticed."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0008", "0007"


def upgrade() -> None:
    op.add_column("journal_replay", sa.Column("key_check", sa.LargeBinary))
