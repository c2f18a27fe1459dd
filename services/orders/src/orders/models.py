"""Tables. Who an order goes to lies here sealed; a card number has no place at all."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Enum,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Sequence,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from privity_contracts import Sealed
from privity_database import SealedText


class State(StrEnum):
    """Where an order stands. Which follows which, and who says so: `domain/states.py`."""

    PLACED = "placed"
    PAID = "paid"
    CONFIRMED = "confirmed"
    PACKED = "packed"
    HANDED_OVER = "handed_over"
    IN_TRANSIT = "in_transit"
    OUT_FOR_DELIVERY = "out_for_delivery"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """Where a payment stands."""

    PENDING = "pending"
    CHALLENGE = "challenge"
    APPROVED = "approved"
    DECLINED = "declined"
    RELEASING = "releasing"  # not wanted any more; the money goes back, or is never taken
    VOIDED = "voided"
    REFUNDED = "refunded"


class Reason(StrEnum):
    """Why a payment was declined."""

    CARD_DECLINED = "card_declined"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    EXPIRED_CARD = "expired_card"
    INCORRECT_CVC = "incorrect_cvc"
    AUTHENTICATION_FAILED = "authentication_failed"
    INVALID_TOKEN = "invalid_token"  # noqa: S105  # a reason, not a secret
    PROCESSING_ERROR = "processing_error"


def _choice(kind: type[StrEnum], name: str) -> Enum:
    """Text with a check: a native type of PostgreSQL cannot lose a value again."""
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        values_callable=lambda members: [member.value for member in members],
        length=24,
    )


class Base(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        Sealed: SealedText,
        State: _choice(State, "state"),
        Outcome: _choice(Outcome, "outcome"),
        Reason: _choice(Reason, "reason"),
    }


class Product(Base):
    __tablename__ = "products"
    __table_args__ = (
        CheckConstraint("price > 0", name="price_is_positive"),
        CheckConstraint("stock >= 0", name="stock_is_never_negative"),
        Index("products_by_category", "category", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(unique=True)
    # Not sealed: the shop's own words about its goods, written by its staff and shown to anyone.
    title: Mapped[str]
    description: Mapped[str]
    category: Mapped[str]
    price: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    stock: Mapped[int]
    active: Mapped[bool]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Order(Base):
    """The books' part of an order: it can stay when the person's part is deleted."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("orders_by_subject", "subject_id", "placed_at", "id"),
        Index("orders_by_site", "site", "placed_at", "id"),
        Index("orders_by_site_and_state", "site", "state", "placed_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    subject_id: Mapped[str]
    site: Mapped[str]
    country: Mapped[str]
    state: Mapped[State]
    currency: Mapped[str]
    total: Mapped[int] = mapped_column(BigInteger)
    tax_rate: Mapped[int]
    tax: Mapped[int] = mapped_column(BigInteger)
    placed_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    lines: Mapped[list["OrderLine"]] = relationship(
        order_by="OrderLine.position", lazy="selectin", cascade="all, delete-orphan"
    )
    payments: Mapped[list["Payment"]] = relationship(
        order_by="Payment.created_at, Payment.id", lazy="selectin", cascade="all, delete-orphan"
    )


order_numbers = Sequence("order_numbers", metadata=Base.metadata)


class OrderLine(Base):
    __tablename__ = "order_lines"

    order_id: Mapped[str] = mapped_column(
        ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    product_id: Mapped[str] = mapped_column(ForeignKey("products.id"))
    # As they were when the order was placed: a later change of the catalogue is no change here.
    sku: Mapped[str]
    title: Mapped[str]
    quantity: Mapped[int]
    unit_price: Mapped[int] = mapped_column(BigInteger)


class Delivery(Base):
    """Who gets the order, and where. Apart from the order, because it is deleted apart."""

    __tablename__ = "deliveries"

    order_id: Mapped[str] = mapped_column(
        ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True
    )
    recipient: Mapped[Sealed]
    phone: Mapped[Sealed]
    line1: Mapped[Sealed]
    line2: Mapped[Sealed | None]
    city: Mapped[Sealed]
    region: Mapped[Sealed | None]
    postal_code: Mapped[Sealed | None]
    country: Mapped[str]


class Payment(Base):
    """One try at paying for an order."""

    __tablename__ = "payments"
    __table_args__ = (
        # At most one try of an order can end up holding money that we mean to keep.
        Index(
            "payments_one_live",
            "order_id",
            unique=True,
            postgresql_where=text("outcome IN ('pending', 'challenge', 'approved')"),
        ),
        Index("payments_by_order", "order_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"))
    token: Mapped[str]
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    outcome: Mapped[Outcome]
    reason: Mapped[Reason | None]
    brand: Mapped[str | None]
    last4: Mapped[str | None]
    reference: Mapped[str | None]
    challenge_url: Mapped[str | None]  # for as long as the challenge stands
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class OrderChange(Base):
    """What happened to an order, by whom and when."""

    __tablename__ = "order_changes"
    __table_args__ = (Index("order_changes_by_order", "order_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    order_id: Mapped[str] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"))
    what: Mapped[str]  # a state, or a note of `domain/states.py`
    actor: Mapped[str]
    role: Mapped[str]
    at: Mapped[datetime]


class IdempotencyKey(Base):
    """What a customer's key already stands for. Kept as long as the order that it placed."""

    __tablename__ = "idempotency_keys"

    subject_id: Mapped[str] = mapped_column(primary_key=True)
    operation: Mapped[str] = mapped_column(primary_key=True)
    # Hashed: a client chooses its keys, and may choose something about a person.
    key_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    fingerprint: Mapped[str]
    resource_id: Mapped[str]
    created_at: Mapped[datetime]


class ReceivedEvent(Base):
    __tablename__ = "received_events"

    id: Mapped[str] = mapped_column(primary_key=True)
    received_at: Mapped[datetime]


class SandboxCharge(Base):
    """The books of the embedded payment provider, which is nobody's but the sandbox's."""

    __tablename__ = "sandbox_charges"

    payment_id: Mapped[str] = mapped_column(primary_key=True)
    reference: Mapped[str]
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    outcome: Mapped[Outcome]
    reason: Mapped[Reason | None]
    brand: Mapped[str | None]
    last4: Mapped[str | None]
    refunds: Mapped[int] = mapped_column(server_default="0")
