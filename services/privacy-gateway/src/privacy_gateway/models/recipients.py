"""Recipients with their agreements and secrets, and what went to them."""

from datetime import date, datetime

from sqlalchemy import (
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from privacy_gateway.models.databases import Base, Moment


class Recipient(Base):
    """A third party that personal data may be disclosed to: for as long as an agreement says so."""

    __tablename__ = "recipients"
    __table_args__ = (
        CheckConstraint("kind IN ('delivery', 'mail')", name="recipients_kind"),
        CheckConstraint("status IN ('active', 'suspended')", name="recipients_status"),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    endpoint: Mapped[str] = mapped_column(Text)
    # When the partner answered 410 there. A new endpoint clears it.
    endpoint_gone_at: Mapped[datetime | None] = mapped_column(Moment)
    public_key: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))
    status: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Moment)
    # Which request registered it, so that a retry meets the same recipient.
    request_key: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    request_fingerprint: Mapped[bytes] = mapped_column(LargeBinary)


class WebhookSecret(Base):
    """One secret, wrapped: `webhook` signs what we send, `callback` what the partner reports."""

    __tablename__ = "webhook_secrets"
    __table_args__ = (
        CheckConstraint("use IN ('webhook', 'callback')", name="webhook_secrets_use"),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    recipient_id: Mapped[str] = mapped_column(ForeignKey(Recipient.id), index=True)
    use: Mapped[str] = mapped_column(Text)
    wrapped: Mapped[bytes] = mapped_column(LargeBinary)
    kek_id: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime | None] = mapped_column(Moment)


class Agreement(Base):
    """What a recipient has signed. The document itself is kept elsewhere; this is its hash."""

    __tablename__ = "agreements"
    __table_args__ = (
        UniqueConstraint("recipient_id", "document_sha256"),
        CheckConstraint("valid_from <= valid_until", name="agreements_validity"),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    recipient_id: Mapped[str] = mapped_column(ForeignKey(Recipient.id))
    document_sha256: Mapped[str] = mapped_column(Text)
    signed_on: Mapped[date] = mapped_column(Date)
    valid_from: Mapped[date] = mapped_column(Date)
    valid_until: Mapped[date] = mapped_column(Date)
    purposes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    categories: Mapped[list[str]] = mapped_column(ARRAY(Text))
    days_until_purge: Mapped[int] = mapped_column(Integer)
    recorded_at: Mapped[datetime] = mapped_column(Moment)


class Delivery(Base):
    """One delivery request and whom it is for. What was in it is nowhere."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("deliveries_order", "order_id"),
        Index(
            "deliveries_unasked",
            "order_id",
            postgresql_where=text("left_at IS NOT NULL AND purge_asked_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    recipient_id: Mapped[str] = mapped_column(ForeignKey(Recipient.id), index=True)
    order_id: Mapped[str] = mapped_column(Text)
    shipment_id: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer)
    outcome: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    status: Mapped[int | None] = mapped_column(Integer)
    first_attempt_at: Mapped[datetime] = mapped_column(Moment)
    last_attempt_at: Mapped[datetime] = mapped_column(Moment)
    # When something of it may first have been with the partner, whatever came back from there.
    left_at: Mapped[datetime | None] = mapped_column(Moment)
    purge_asked_at: Mapped[datetime | None] = mapped_column(Moment)


class Message(Base):
    """One e-mail. `claimed_until` keeps two processes from sending it at once."""

    __tablename__ = "messages"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    recipient_id: Mapped[str] = mapped_column(ForeignKey(Recipient.id))
    template: Mapped[str] = mapped_column(Text)
    claimed_until: Mapped[datetime] = mapped_column(Moment)
    outcome: Mapped[str | None] = mapped_column(Text)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)
