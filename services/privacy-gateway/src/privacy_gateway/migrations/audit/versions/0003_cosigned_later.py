"""A witness may answer late: its cosignature is added to a checkpoint that is there already."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"

SEQUENCER = """
SELECT DISTINCT grantee FROM information_schema.role_table_grants
WHERE table_name = 'log_batches' AND privilege_type = 'INSERT' AND grantee <> current_user
"""


def upgrade() -> None:
    for role in op.get_bind().scalars(sa.text(SEQUENCER)).all():
        op.execute(f"GRANT UPDATE (note, cosigned, written_at) ON checkpoints TO {role}")
