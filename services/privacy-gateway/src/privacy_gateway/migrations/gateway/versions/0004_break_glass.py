"""Who broke the glass, why, who was told and who looked at it afterwards."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0004", "0003"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "break_glass",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("staff_id", sa.Text, sa.ForeignKey("staff.id"), nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("ticket", sa.Text, nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("review_by", MOMENT, nullable=False),
        sa.Column("told_at", MOMENT),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_try_at", MOMENT, nullable=False),
        sa.Column("reminded_at", MOMENT),
        sa.Column("outcome", sa.Text),
        sa.Column("reviewed_by", sa.Text),
        sa.Column("reviewed_at", MOMENT),
        sa.CheckConstraint("ends_at <= opened_at + interval '1 hour'", name="break_glass_end"),
        sa.CheckConstraint("outcome IN ('justified', 'not_justified')", name="break_glass_outcome"),
        sa.CheckConstraint("reviewed_by <> staff_id", name="break_glass_two_people"),
    )
    op.create_index("break_glass_order", "break_glass", ["opened_at", "id"])
    op.create_index(
        "break_glass_to_tell",
        "break_glass",
        ["next_try_at"],
        postgresql_where=sa.text("told_at IS NULL"),
    )
    op.create_index(
        "break_glass_to_review",
        "break_glass",
        ["review_by"],
        postgresql_where=sa.text("outcome IS NULL"),
    )
