"""Catalogue, orders, payments, and the queue of jobs."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from privity_jobs import schema

revision = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

OUTCOMES = "'pending', 'challenge', 'approved', 'declined', 'releasing', 'voided', 'refunded'"
REASONS = (
    "'card_declined', 'insufficient_funds', 'expired_card', 'incorrect_cvc', "
    "'authentication_failed', 'invalid_token', 'processing_error'"
)
STATES = (
    "'placed', 'paid', 'confirmed', 'packed', 'handed_over', 'in_transit', "
    "'out_for_delivery', 'delivered', 'cancelled'"
)


def upgrade() -> None:
    _catalogue()
    _orders()
    _payments()
    _once_only()
    schema.upgrade(op)  # type: ignore[arg-type]  # the module stands for the object


def downgrade() -> None:
    schema.downgrade(op)  # type: ignore[arg-type]  # as above
    for table in (
        "sandbox_charges",
        "received_events",
        "idempotency_keys",
        "payments",
        "order_changes",
        "deliveries",
        "order_lines",
        "orders",
        "products",
    ):
        op.drop_table(table)
    op.execute("DROP SEQUENCE order_numbers")


def _catalogue() -> None:
    op.create_table(
        "products",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("sku", sa.String, nullable=False, unique=True),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("description", sa.String, nullable=False),
        sa.Column("category", sa.String, nullable=False),
        sa.Column("price", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String, nullable=False),
        sa.Column("stock", sa.Integer, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("price > 0", name="price_is_positive"),
        sa.CheckConstraint("stock >= 0", name="stock_is_never_negative"),
    )
    op.create_index("products_by_category", "products", ["category", "id"])


def _orders() -> None:
    op.execute("CREATE SEQUENCE order_numbers")
    op.create_table(
        "orders",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("number", sa.String, nullable=False, unique=True),
        sa.Column("subject_id", sa.String, nullable=False),
        sa.Column("site", sa.String, nullable=False),
        sa.Column("country", sa.String, nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("currency", sa.String, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("tax_rate", sa.Integer, nullable=False),
        sa.Column("tax", sa.BigInteger, nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(f"state IN ({STATES})", name="state"),
    )
    op.create_index("orders_by_subject", "orders", ["subject_id", "placed_at", "id"])
    op.create_index("orders_by_site", "orders", ["site", "placed_at", "id"])
    op.create_index("orders_by_site_and_state", "orders", ["site", "state", "placed_at", "id"])
    op.create_table(
        "order_lines",
        _order_id(primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("product_id", sa.String, sa.ForeignKey("products.id"), nullable=False),
        sa.Column("sku", sa.String, nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("unit_price", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "deliveries",
        _order_id(primary_key=True),
        *(
            sa.Column(name, sa.Text, nullable=name in {"line2", "region", "postal_code"})
            for name in ("recipient", "phone", "line1", "line2", "city", "region", "postal_code")
        ),
        sa.Column("country", sa.String, nullable=False),
    )
    op.create_table(
        "order_changes",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        _order_id(),
        sa.Column("what", sa.String, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("order_changes_by_order", "order_changes", ["order_id", "id"])


def _payments() -> None:
    op.create_table(
        "payments",
        sa.Column("id", sa.String, primary_key=True),
        _order_id(),
        sa.Column("token", sa.String, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String, nullable=False),
        sa.Column("outcome", sa.String(24), nullable=False),
        sa.Column("reason", sa.String(24)),
        sa.Column("brand", sa.String),
        sa.Column("last4", sa.String),
        sa.Column("reference", sa.String),
        sa.Column("challenge_url", sa.String),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(f"outcome IN ({OUTCOMES})", name="outcome"),
        sa.CheckConstraint(f"reason IN ({REASONS})", name="reason"),
    )
    op.create_index("payments_by_order", "payments", ["order_id"])
    op.create_index(
        "payments_one_live",
        "payments",
        ["order_id"],
        unique=True,
        postgresql_where=sa.text("outcome IN ('pending', 'challenge', 'approved')"),
    )
    op.create_table(
        "sandbox_charges",
        sa.Column("payment_id", sa.String, primary_key=True),
        sa.Column("reference", sa.String, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String, nullable=False),
        sa.Column("outcome", sa.String(24), nullable=False),
        sa.Column("reason", sa.String(24)),
        sa.Column("brand", sa.String),
        sa.Column("last4", sa.String),
        sa.Column("refunds", sa.Integer, nullable=False, server_default="0"),
        sa.CheckConstraint(f"outcome IN ({OUTCOMES})", name="outcome"),
        sa.CheckConstraint(f"reason IN ({REASONS})", name="reason"),
    )


def _once_only() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("subject_id", sa.String, primary_key=True),
        sa.Column("operation", sa.String, primary_key=True),
        sa.Column("key_hash", sa.LargeBinary, primary_key=True),
        sa.Column("fingerprint", sa.String, nullable=False),
        sa.Column("resource_id", sa.String, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "received_events",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
    )


def _order_id(*, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(
        "order_id",
        sa.String,
        sa.ForeignKey("orders.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )
