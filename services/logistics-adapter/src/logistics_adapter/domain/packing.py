"""An order was packed, or will not be: its shipment begins, or ends before it began."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from logistics_adapter.domain import dispatch, routing, states
from logistics_adapter.domain.announcement import announce
from logistics_adapter.models import ReceivedEvent, Shipment, State
from privity_contracts.ids import mint


@dataclass(frozen=True, slots=True)
class PackedOrder:
    order_id: str
    subject_id: str
    site: str
    weight_grams: int
    country: str | None = None
    carrier: str | None = None


async def first_time(tx: AsyncSession, event_id: str, *, now: datetime) -> bool:
    added = await tx.scalar(
        insert(ReceivedEvent)
        .values(id=event_id, received_at=now)
        .on_conflict_do_nothing()
        .returning(ReceivedEvent.id)
    )
    return added is not None


async def begin_shipment(tx: AsyncSession, order: PackedOrder, *, now: datetime) -> None:
    """One per order, however often its packing is told."""
    shipment_id = await tx.scalar(
        insert(Shipment)
        .values(
            id=mint("shp", clock=now.timestamp),
            order_id=order.order_id,
            subject_id=order.subject_id,
            site=order.site,
            weight_grams=order.weight_grams,
            carrier=order.carrier,
            state=State.ANNOUNCED,
            since=now,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=[Shipment.order_id])
        .returning(Shipment.id)
    )
    if shipment_id is None:
        return
    carrier = order.carrier or await routing.carrier_for(tx, order.country)
    await dispatch.ask(tx, shipment_id, lane=carrier)
    shipment = await tx.get_one(Shipment, shipment_id)
    announce(tx, shipment, now=now)


async def call_off(tx: AsyncSession, order_id: str, *, now: datetime) -> None:
    """Only while no partner has it: then it is theirs to bring back."""
    shipment = await tx.scalar(
        select(Shipment).where(Shipment.order_id == order_id).with_for_update()
    )
    if shipment is not None and shipment.state in {State.ANNOUNCED, State.BLOCKED}:
        states.become(shipment, State.CANCELLED, since=now)
