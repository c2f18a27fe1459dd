"""Up to which entry of the journal of deletions these keys are known to agree with it."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0004", "0003"


def upgrade() -> None:
    op.create_table(
        "journal_replay",
        sa.Column("one", sa.Boolean, sa.CheckConstraint("one"), primary_key=True),
        sa.Column("through", sa.BigInteger, nullable=False),
    )
    op.execute("INSERT INTO journal_replay VALUES (true, 0)")
