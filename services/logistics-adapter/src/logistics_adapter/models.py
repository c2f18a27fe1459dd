"""The tables. Whom a shipment goes to lies here sealed; no payload lies here at all."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, DateTime, Enum, ForeignKey, Index, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from privity_contracts import Sealed
from privity_database import SealedText
from privity_jobs import schema


class State(StrEnum):
    """Where a shipment stands. Which follows which: `domain/states.py`."""

    ANNOUNCED = "announced"  # packed; its partner has not said yes yet
    BLOCKED = "blocked"  # nobody can be given it until a person has looked
    HANDED_OVER = "handed_over"
    IN_TRANSIT = "in_transit"
    OUT_FOR_DELIVERY = "out_for_delivery"
    FAILED = "failed"  # nobody opened the door; the partner tries again or returns it
    DELIVERED = "delivered"
    RETURNED = "returned"
    CANCELLED = "cancelled"


class DeliveryState(StrEnum):
    """Where one partner's task stands."""

    PENDING = "pending"
    BLOCKED = "blocked"
    ACCEPTED = "accepted"
    SUPERSEDED = "superseded"  # another partner was asked instead


def _choice(kind: type[StrEnum], name: str) -> Enum:
    """Text with a check: a native type of PostgreSQL cannot lose a value again."""
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        values_callable=lambda members: [member.value for member in members],
        length=20,
    )


class Base(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        datetime: DateTime(timezone=True),
        Sealed: SealedText,
        State: _choice(State, "shipment_state"),
        DeliveryState: _choice(DeliveryState, "delivery_state"),
    }


class Shipment(Base):
    """One parcel of one order. The sealed members are the order's, as last read for dispatch."""

    __tablename__ = "shipments"
    __table_args__ = (
        CheckConstraint("(state = 'blocked') = (blocked_reason IS NOT NULL)", name="block_has_why"),
        Index("shipments_by_site", "site", "id"),
        Index("shipments_by_site_and_state", "site", "state", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str] = mapped_column(unique=True)
    subject_id: Mapped[str] = mapped_column(index=True)
    site: Mapped[str]
    weight_grams: Mapped[int]
    carrier: Mapped[str | None]  # the partner that the order asks for, over the country's route
    state: Mapped[State]
    blocked_reason: Mapped[str | None]
    since: Mapped[datetime]  # when what `state` says happened, by the clock of who said it
    created_at: Mapped[datetime]

    recipient: Mapped[Sealed | None]
    phone: Mapped[Sealed | None]
    line1: Mapped[Sealed | None]
    line2: Mapped[Sealed | None]
    city: Mapped[Sealed | None]
    region: Mapped[Sealed | None]
    postal_code: Mapped[Sealed | None]
    country: Mapped[str | None]

    deliveries: Mapped[list["Delivery"]] = relationship(order_by="Delivery.id", lazy="raise")
    tracking: Mapped[list["TrackingEvent"]] = relationship(
        order_by="TrackingEvent.occurred_at", lazy="raise"
    )

    @property
    def delivery(self) -> "Delivery | None":
        """The task at hand, where `deliveries` were loaded."""
        return self.deliveries[-1] if self.deliveries else None


class Delivery(Base):
    """One shipment as one partner's task. Its id is the same in every attempt."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index(
            "deliveries_one_at_hand",
            "shipment_id",
            unique=True,
            postgresql_where=text("state <> 'superseded'"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    shipment_id: Mapped[str] = mapped_column(ForeignKey("shipments.id", ondelete="CASCADE"))
    recipient_id: Mapped[str]
    state: Mapped[DeliveryState]
    attempts: Mapped[int] = mapped_column(server_default="0")
    last_attempt_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    reason: Mapped[str | None]
    status: Mapped[int | None]
    created_at: Mapped[datetime]


class TrackingEvent(Base):
    """What a partner reported, whether it changed anything or not."""

    __tablename__ = "tracking_events"

    recipient_id: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    shipment_id: Mapped[str] = mapped_column(
        ForeignKey("shipments.id", ondelete="CASCADE"), index=True
    )
    status: Mapped[State]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]


class CarrierRoute(Base):
    """Which partner delivers to a country; `default` is for those not listed."""

    __tablename__ = "carrier_routes"

    country: Mapped[str] = mapped_column(primary_key=True)
    recipient_id: Mapped[str]
    changed_by: Mapped[str]
    changed_at: Mapped[datetime]


class ReceivedEvent(Base):
    """Events that were taken, so that the same one again changes nothing."""

    __tablename__ = "received_events"

    id: Mapped[str] = mapped_column(primary_key=True)
    received_at: Mapped[datetime]


schema.declare(Base.metadata)
