"""Whose a scope is, is asked by the scope."""

from alembic import op

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    op.create_index("data_keys_scope", "data_keys", ["scope", "created_at"])
