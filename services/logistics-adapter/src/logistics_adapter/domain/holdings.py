"""What is held here of one person, and letting go of it class by class."""

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from logistics_adapter.domain.dispatch import DISPATCH
from logistics_adapter.models import Delivery, Shipment, State, TrackingEvent
from privity_contracts.holdings import Drop, Holding, holding
from privity_jobs import QueuedJob

_FIELDS = {
    "identity": ("recipient", "phone"),
    "delivery": ("line1", "line2", "city", "region", "postal_code"),
}
_ENDED = frozenset({State.DELIVERED, State.RETURNED, State.CANCELLED})


async def held(tx: AsyncSession, subject_id: str) -> list[Holding]:
    shipments = await tx.scalars(select(Shipment).where(Shipment.subject_id == subject_id))
    return [_held(shipment) for shipment in shipments]


def _held(shipment: Shipment) -> Holding:
    names = [name for fields in _FIELDS.values() for name in fields]
    return holding(
        f"order/{shipment.order_id}",
        {f"shipment.{name}": getattr(shipment, name) for name in names},
        {},
        in_progress=None if shipment.state in _ENDED else f"shipment_{shipment.state}",
        country=shipment.country,
    )


async def drop(tx: AsyncSession, told: Drop) -> int:
    kind, _, order_id = told.scope.partition("/")
    theirs = (Shipment.order_id == order_id, Shipment.subject_id == told.subject_id)
    shipment = await tx.scalar(select(Shipment).where(*theirs).with_for_update())
    if kind != "order" or shipment is None:
        return 0
    gone = set(told.classes)
    if "books" in gone:
        # Not by the foreign keys' cascade alone: the session has not loaded what hangs on it.
        await tx.execute(delete(TrackingEvent).where(TrackingEvent.shipment_id == shipment.id))
        await tx.execute(delete(Delivery).where(Delivery.shipment_id == shipment.id))
        await tx.execute(delete(Shipment).where(Shipment.id == shipment.id))
        return 1
    names = [name for kept, fields in _FIELDS.items() if kept in gone for name in fields]
    emptied = [name for name in names if getattr(shipment, name) is not None]
    for name in emptied:
        setattr(shipment, name, None)
    if emptied and shipment.state in _ENDED:
        await tx.execute(
            delete(QueuedJob).where(QueuedJob.kind == DISPATCH, QueuedJob.key == shipment.id)
        )
    return 1 if emptied else 0
