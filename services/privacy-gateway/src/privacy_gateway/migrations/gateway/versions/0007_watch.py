"""How far the watch over the records has come, what it counted, and what it raised."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0007", "0006"

_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "watch_place",
        sa.Column("one", sa.Boolean, sa.CheckConstraint("one"), primary_key=True),
        sa.Column("next_index", sa.BigInteger, nullable=False),
        sa.Column("seen_at", _time, nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("until", _time, nullable=False),
    )
    op.execute(
        "INSERT INTO watch_place (one, next_index, seen_at, until) VALUES (true, 0, now(), now())"
    )
    op.create_table(
        "record_counts",
        sa.Column("hour", _time, primary_key=True),
        *(
            sa.Column(name, sa.Text, primary_key=True)
            for name in ("kind", "decision", "purpose", "role", "service")
        ),
        sa.Column("records", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "alerts",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("actor", sa.Text),
        sa.Column("role", sa.Text),
        sa.Column("record_id", sa.Text),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("limit", sa.Integer, nullable=False),
        sa.Column("first_at", _time, nullable=False),
        sa.Column("last_at", _time, nullable=False),
        sa.Column("raised_at", _time, nullable=False),
        sa.Column("acknowledged_at", _time),
        sa.Column("acknowledged_by", sa.Text),
        sa.Column("acknowledged_why", sa.Text),
        sa.CheckConstraint(
            "(acknowledged_at IS NULL) = (acknowledged_by IS NULL)"
            " AND (acknowledged_at IS NULL) = (acknowledged_why IS NULL)",
            name="alerts_acknowledged",
        ),
    )
    op.create_index("alerts_order", "alerts", ["raised_at", "id"])
    op.create_index(
        "alerts_open", "alerts", ["rule"], postgresql_where=sa.text("acknowledged_at IS NULL")
    )
