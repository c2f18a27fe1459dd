"""Records, and what their tags stand for."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision, down_revision = "0001", None


def upgrade() -> None:
    op.create_table(
        "records",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("subject_tag", sa.Text),
        sa.Column("actor_tag", sa.Text, nullable=False),
        sa.Column("categories", ARRAY(sa.Text), nullable=False),
        sa.CheckConstraint("octet_length(leaf) < 2048", name="records_leaf_under_2_kb"),
    )
    op.create_index("records_order", "records", ["recorded_at", "id"])
    for column in ("subject_tag", "actor_tag", "purpose", "kind"):
        name = column.removesuffix("_tag")
        op.create_index(f"records_{name}", "records", [column, "recorded_at", "id"])
    op.create_index(
        "records_refused",
        "records",
        ["recorded_at", "id"],
        postgresql_where=sa.text("decision = 'refuse'"),
    )
    op.create_table(
        "openings",
        sa.Column("tag", sa.Text, primary_key=True),
        sa.Column("month", sa.Text, nullable=False),
        sa.Column("sealed", sa.Text, nullable=False),
    )
