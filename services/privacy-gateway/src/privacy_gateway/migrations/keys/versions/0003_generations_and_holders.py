"""Several keys for one place, one after the other; and which processes may hold keys."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"

PLACE = ["subject", "scope", "retention_class"]
NOW = sa.text("now()")


def upgrade() -> None:
    op.add_column("data_keys", sa.Column("retired_at", sa.DateTime(timezone=True)))
    op.add_column(
        "data_keys", sa.Column("seals", sa.BigInteger, nullable=False, server_default="0")
    )
    op.drop_constraint("data_keys_subject_scope_retention_class_key", "data_keys")
    op.create_index("data_keys_place", "data_keys", PLACE)
    op.create_index(
        "data_keys_current",
        "data_keys",
        PLACE,
        unique=True,
        postgresql_where=sa.text("retired_at IS NULL"),
    )
    op.create_index(
        "data_keys_wrapped_by",
        "data_keys",
        ["kek_id", "key_id"],
        postgresql_where=sa.text("destroyed_at IS NULL"),
    )
    op.create_table(
        "key_notices",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("key_ids", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
    )
    op.create_table(
        "key_holders",
        sa.Column("process_id", sa.Text, primary_key=True),
        sa.Column("confirmed", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
    )
