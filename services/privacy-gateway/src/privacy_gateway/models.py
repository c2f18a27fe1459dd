"""Tables, in three databases: `Base` is the gateway's own (who works here, which tokens no longer
count, recipients and what went to them), `KeyBase` the data keys, `AuditBase` the records. Keys
and records have a database each, so that their backups and their roles can differ.
"""

from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Moment = DateTime(timezone=True)


class Base(DeclarativeBase):
    pass


class Revocation(Base):
    """Tokens that must not be honoured until they would have expired anyway."""

    __tablename__ = "revocations"
    __table_args__ = (Index("revocations_recorded_at", "recorded_at"),)

    kind: Mapped[str] = mapped_column(Text, primary_key=True)  # token, session, actor, work
    value: Mapped[str] = mapped_column(Text, primary_key=True)
    until: Mapped[datetime] = mapped_column(Moment)
    # Null: all of them. Else those issued up to this second; later ones are good again.
    issued_until: Mapped[int | None] = mapped_column(BigInteger)
    recorded_at: Mapped[datetime] = mapped_column(Moment, server_default=func.clock_timestamp())


class StaffMember(Base):
    """Somebody who works here. The roles name what they may ask for; a grant gives it."""

    __tablename__ = "staff"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    username: Mapped[str] = mapped_column(Text, unique=True)
    password_hash: Mapped[str] = mapped_column(Text)
    roles: Mapped[list[str]] = mapped_column(ARRAY(Text))
    sites: Mapped[list[str]] = mapped_column(ARRAY(Text))
    active: Mapped[bool] = mapped_column(Boolean)


class SignInAttempts(Base):
    """Failed sign-ins per username, whether anybody has that name or not."""

    __tablename__ = "sign_in_attempts"

    # A hash: people type their password into the wrong box.
    username_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    since: Mapped[datetime] = mapped_column(Moment)


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


class Message(Base):
    """One e-mail. `claimed_until` keeps two processes from sending it at once."""

    __tablename__ = "messages"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    recipient_id: Mapped[str] = mapped_column(ForeignKey(Recipient.id))
    template: Mapped[str] = mapped_column(Text)
    claimed_until: Mapped[datetime] = mapped_column(Moment)
    outcome: Mapped[str | None] = mapped_column(Text)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)


class KeyBase(DeclarativeBase):
    pass


class DataKeyRow(KeyBase):
    """A wrapped data key, or the place of one that was destroyed."""

    __tablename__ = "data_keys"
    __table_args__ = (
        UniqueConstraint("subject", "scope", "retention_class"),
        CheckConstraint(
            "(wrapped IS NULL) = (destroyed_at IS NOT NULL)"
            " AND (kek_id IS NULL) = (destroyed_at IS NOT NULL)",
            name="data_keys_wrapped_until_destroyed",
        ),
    )

    key_id: Mapped[str] = mapped_column(Text, primary_key=True)
    subject: Mapped[str] = mapped_column(Text)
    scope: Mapped[str] = mapped_column(Text)
    retention_class: Mapped[str] = mapped_column(Text)
    wrapped: Mapped[bytes | None] = mapped_column(LargeBinary)
    kek_id: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    destroyed_at: Mapped[datetime | None] = mapped_column(Moment)


class AuditBase(DeclarativeBase):
    pass


class Record(AuditBase):
    """A leaf, byte for byte. Every other column is worked out from it, for finding it."""

    __tablename__ = "records"
    __table_args__ = (
        CheckConstraint("octet_length(leaf) < 2048", name="records_leaf_under_2_kb"),
        Index("records_order", "recorded_at", "id"),
        Index("records_subject", "subject_tag", "recorded_at", "id"),
        Index("records_actor", "actor_tag", "recorded_at", "id"),
        Index("records_purpose", "purpose", "recorded_at", "id"),
        Index("records_kind", "kind", "recorded_at", "id"),
        Index(
            "records_refused",
            "recorded_at",
            "id",
            postgresql_where=text("decision = 'refuse'"),
        ),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(Moment)
    leaf: Mapped[bytes] = mapped_column(LargeBinary)
    kind: Mapped[str] = mapped_column(Text)
    decision: Mapped[str] = mapped_column(Text)
    purpose: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text)
    subject_tag: Mapped[str | None] = mapped_column(Text)
    actor_tag: Mapped[str] = mapped_column(Text)
    categories: Mapped[list[str]] = mapped_column(ARRAY(Text))


class TagOpening(AuditBase):
    """What a tag stands for, sealed under the person's own key."""

    __tablename__ = "openings"

    tag: Mapped[str] = mapped_column(Text, primary_key=True)
    month: Mapped[str] = mapped_column(Text)
    sealed: Mapped[str] = mapped_column(Text)
