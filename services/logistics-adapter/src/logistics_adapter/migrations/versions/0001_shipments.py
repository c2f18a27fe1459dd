"""Shipments, deliveries to partners, tracking, carrier routes, and the jobs behind them."""

import sqlalchemy as sa
from alembic import op

from privity_jobs import schema

revision = "0001"
down_revision = None

_TIME = sa.DateTime(timezone=True)
_STATES = (
    "announced",
    "blocked",
    "handed_over",
    "in_transit",
    "out_for_delivery",
    "failed",
    "delivered",
    "returned",
    "cancelled",
)


def upgrade() -> None:
    op.create_table(
        "shipments",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("order_id", sa.Text, nullable=False, unique=True),
        sa.Column("subject_id", sa.Text, nullable=False, index=True),
        sa.Column("site", sa.Text, nullable=False),
        sa.Column("weight_grams", sa.Integer, nullable=False),
        sa.Column("carrier", sa.Text),
        sa.Column("state", _choice("shipment_state", *_STATES), nullable=False),
        sa.Column("blocked_reason", sa.Text),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        *(sa.Column(name, sa.Text) for name in _DETAILS),
        sa.CheckConstraint(
            "(state = 'blocked') = (blocked_reason IS NOT NULL)", name="block_has_why"
        ),
    )
    op.create_index("shipments_by_site", "shipments", ["site", "id"])
    op.create_index("shipments_by_site_and_state", "shipments", ["site", "state", "id"])
    _deliveries()
    op.create_table(
        "tracking_events",
        sa.Column("recipient_id", sa.Text, primary_key=True),
        sa.Column("event_id", sa.Text, primary_key=True),
        _shipment_id(index=True),
        sa.Column("status", _choice("shipment_state", *_STATES), nullable=False),
        sa.Column("occurred_at", _TIME, nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
    )
    op.create_table(
        "carrier_routes",
        sa.Column("country", sa.Text, primary_key=True),
        sa.Column("recipient_id", sa.Text, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("changed_at", _TIME, nullable=False),
    )
    op.create_table(
        "received_events",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("received_at", _TIME, nullable=False),
    )
    schema.upgrade(op)  # type: ignore[arg-type]  # the module acts for the current Operations


_DETAILS = ("recipient", "phone", "line1", "line2", "city", "region", "postal_code", "country")


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Text, primary_key=True),
        _shipment_id(),
        sa.Column("recipient_id", sa.Text, nullable=False),
        sa.Column(
            "state",
            _choice("delivery_state", "pending", "blocked", "accepted", "superseded"),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("last_attempt_at", _TIME),
        sa.Column("outcome", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("status", sa.Integer),
        sa.Column("created_at", _TIME, nullable=False),
    )
    op.create_index(
        "deliveries_one_at_hand",
        "deliveries",
        ["shipment_id"],
        unique=True,
        postgresql_where=sa.text("state <> 'superseded'"),
    )


def _shipment_id(*, index: bool = False) -> "sa.Column[str]":
    owner = sa.ForeignKey("shipments.id", ondelete="CASCADE")
    return sa.Column("shipment_id", sa.Text, owner, nullable=False, index=index)


def _choice(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=20)
