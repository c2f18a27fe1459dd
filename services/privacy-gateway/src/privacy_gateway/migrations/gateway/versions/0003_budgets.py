"""How many customers each staff member saw, and how many they may."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "order_volume",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("orders", sa.Integer, nullable=False),
    )
    op.create_table(
        "counted_events",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("counted_at", MOMENT, nullable=False),
    )
    op.create_index("counted_events_counted_at", "counted_events", ["counted_at"])
    op.create_table(
        "budget_subjects",
        sa.Column("staff_id", sa.Text, primary_key=True),
        sa.Column("role", sa.Text, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("subject_tag", sa.LargeBinary, primary_key=True),
    )
    op.create_index("budget_subjects_day", "budget_subjects", ["day"])
    op.create_table(
        "budget_days",
        sa.Column("staff_id", sa.Text, primary_key=True),
        sa.Column("role", sa.Text, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("subjects", sa.Integer, nullable=False),
        sa.Column("allowed", sa.Integer, nullable=False),
        sa.CheckConstraint("subjects <= allowed", name="budget_days_within"),
    )
    op.create_table(
        "budget_raises",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("staff_id", sa.Text, sa.ForeignKey("staff.id"), nullable=False),
        sa.Column("extra", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("given_by", sa.Text, nullable=False),
        sa.Column("given_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("reviewed_by", sa.Text),
        sa.Column("reviewed_at", MOMENT),
        sa.CheckConstraint("extra > 0", name="budget_raises_extra"),
        sa.CheckConstraint("ends_at <= given_at + interval '7 days'", name="budget_raises_end"),
        sa.CheckConstraint("outcome IN ('confirmed', 'withdrawn')", name="budget_raises_outcome"),
        sa.CheckConstraint(
            "given_by <> staff_id AND reviewed_by <> staff_id"
            " AND (outcome <> 'confirmed' OR reviewed_by <> given_by)",
            name="budget_raises_two_people",
        ),
    )
    op.create_index("budget_raises_staff", "budget_raises", ["staff_id", "ends_at"])
