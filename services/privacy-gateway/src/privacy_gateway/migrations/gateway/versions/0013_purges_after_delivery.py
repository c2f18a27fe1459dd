"""Partners purge after every delivery: which ones may hold something, and who was suspended."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0013", "0012"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("left_at", MOMENT))
    op.add_column("deliveries", sa.Column("purge_asked_at", MOMENT))
    # Of those from before nobody knows which ones arrived: any that was not kept back here.
    op.execute(
        "UPDATE deliveries SET left_at = first_attempt_at WHERE outcome IS NULL"
        " OR outcome <> 'rejected' OR reason IN ('refused', 'redirect')"
    )
    op.create_index("deliveries_order", "deliveries", ["order_id"])
    op.create_index(
        "deliveries_unasked",
        "deliveries",
        ["order_id"],
        postgresql_where=sa.text("left_at IS NOT NULL AND purge_asked_at IS NULL"),
    )
    op.alter_column("purge_requests", "deletion_id", nullable=True)
    op.add_column("purge_requests", sa.Column("suspended_at", MOMENT))
