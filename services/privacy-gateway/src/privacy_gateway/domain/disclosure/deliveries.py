"""The list of deliveries: whom each one is for, and what became of it. Never what was in it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.domain.disclosure.outcome import Outcome
from privacy_gateway.models import Delivery
from privity_rest import Conflict


class AnotherDelivery(Conflict):
    code = "another_delivery"
    title = "This id belongs to a delivery to somebody else, or of something else"


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one delivery id stands for, from its first attempt on."""

    delivery_id: str
    recipient_id: str
    order_id: str
    shipment_id: str


async def begin(tx: AsyncSession, parcel: Parcel, *, now: datetime) -> None:
    """Counts an attempt. Raises AnotherDelivery."""
    statement = (
        insert(Delivery)
        .values(
            id=parcel.delivery_id,
            recipient_id=parcel.recipient_id,
            order_id=parcel.order_id,
            shipment_id=parcel.shipment_id,
            attempts=1,
            first_attempt_at=now,
            last_attempt_at=now,
        )
        .on_conflict_do_update(
            index_elements=[Delivery.id],
            set_={"attempts": Delivery.attempts + 1, "last_attempt_at": now},
            where=and_(
                Delivery.recipient_id == parcel.recipient_id,
                Delivery.order_id == parcel.order_id,
                Delivery.shipment_id == parcel.shipment_id,
            ),
        )
        .returning(Delivery.id)
    )
    if await tx.scalar(statement) is None:
        raise AnotherDelivery(f"delivery {parcel.delivery_id}")


async def leave(tx: AsyncSession, delivery_id: str, *, now: datetime) -> None:
    """Before anything is opened for it, so that whoever looks after the keys are gone finds it."""
    known = func.coalesce(Delivery.left_at, now)
    await tx.execute(update(Delivery).where(Delivery.id == delivery_id).values(left_at=known))


async def stay(tx: AsyncSession, delivery_id: str, *, since: datetime) -> None:
    """Nothing was sent by the attempt that began then, nor by one before it."""
    mine = (Delivery.id == delivery_id, Delivery.left_at == since)
    await tx.execute(update(Delivery).where(*mine).values(left_at=None))


async def finish(tx: AsyncSession, delivery_id: str, outcome: Outcome) -> None:
    await tx.execute(
        update(Delivery)
        .where(Delivery.id == delivery_id)
        .values(outcome=outcome.verdict.value, reason=outcome.reason, status=outcome.status)
    )
