"""Recipients with their agreements and secrets, and what went to them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision, down_revision = "0002", "0001"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "recipients",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("endpoint_gone_at", MOMENT),
        sa.Column("public_key", JSONB(none_as_null=True)),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("request_key", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("request_fingerprint", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("kind IN ('delivery', 'mail')", name="recipients_kind"),
        sa.CheckConstraint("status IN ('active', 'suspended')", name="recipients_status"),
    )
    op.create_table(
        "webhook_secrets",
        sa.Column("id", sa.Text, primary_key=True),
        _recipient(index=True),
        sa.Column("use", sa.Text, nullable=False),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
        sa.Column("kek_id", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT),
        sa.CheckConstraint("use IN ('webhook', 'callback')", name="webhook_secrets_use"),
    )
    op.create_table(
        "agreements",
        sa.Column("id", sa.Text, primary_key=True),
        _recipient(),
        sa.Column("document_sha256", sa.Text, nullable=False),
        sa.Column("signed_on", sa.Date, nullable=False),
        sa.Column("valid_from", sa.Date, nullable=False),
        sa.Column("valid_until", sa.Date, nullable=False),
        sa.Column("purposes", ARRAY(sa.Text), nullable=False),
        sa.Column("categories", ARRAY(sa.Text), nullable=False),
        sa.Column("days_until_purge", sa.Integer, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.UniqueConstraint("recipient_id", "document_sha256"),
        sa.CheckConstraint("valid_from <= valid_until", name="agreements_validity"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Text, primary_key=True),
        _recipient(index=True),
        sa.Column("order_id", sa.Text, nullable=False),
        sa.Column("shipment_id", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("status", sa.Integer),
        sa.Column("first_attempt_at", MOMENT, nullable=False),
        sa.Column("last_attempt_at", MOMENT, nullable=False),
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.Text, primary_key=True),
        _recipient(),
        sa.Column("template", sa.Text, nullable=False),
        sa.Column("claimed_until", MOMENT, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("finished_at", MOMENT),
    )


def _recipient(*, index: bool = False) -> sa.Column[str]:
    return sa.Column(
        "recipient_id", sa.Text, sa.ForeignKey("recipients.id"), nullable=False, index=index
    )
