"""What an order learns from its shipment. Messages come late, twice and out of order."""

from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from orders.domain import states
from orders.domain.announcement import announce
from orders.domain.states import Actor, Note, Party
from orders.models import Order, ReceivedEvent, State
from privity_contracts.events import Event

CARRIER = Actor("svc_logistics-adapter", "service")


async def first_time(tx: AsyncSession, event: Event, *, now: datetime) -> bool:
    added = await tx.scalar(
        insert(ReceivedEvent)
        .values(id=event.id, received_at=now)
        .on_conflict_do_nothing()
        .returning(ReceivedEvent.id)
    )
    return added is not None


async def advance(tx: AsyncSession, order_id: str, to: State, *, now: datetime) -> bool:
    """False when it came too late to say anything new, or about an order that is not packed."""
    order = await tx.get(Order, order_id, with_for_update=True)
    if order is None or not states.may_move(order.state, to, by=Party.CARRIER):
        return False
    states.move(tx, order, to, by=Party.CARRIER, actor=CARRIER, now=now)
    if to is State.DELIVERED:
        announce(tx, "order.delivered", order, now=now)
    return True


async def note(tx: AsyncSession, order_id: str, what: Note, *, now: datetime) -> bool:
    order = await tx.get(Order, order_id, with_for_update=True)
    if order is None:
        return False
    if what is Note.RETURNED:
        announce(tx, "order.returned", order, now=now)
    states.remember(tx, order_id, what, actor=CARRIER, now=now)
    return True
