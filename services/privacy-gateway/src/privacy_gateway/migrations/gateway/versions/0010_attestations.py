"""What partners say of their purges, and how often they were reminded."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0010", "0009"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column(
        "purge_requests", sa.Column("reminders", sa.Integer, nullable=False, server_default="0")
    )
    for name in ("reminded_at", "attested_at", "purged_at"):
        op.add_column("purge_requests", sa.Column(name, MOMENT))
    op.add_column("purge_requests", sa.Column("attestation", sa.Text))
    op.create_index(
        "purge_requests_open",
        "purge_requests",
        ["purge_by"],
        postgresql_where=sa.text("attested_at IS NULL"),
    )
