"""Handing a shipment to its partner: asked until the partner has it, or until nobody can.

One delivery id stands for one shipment at one partner. It is written down before the first attempt
and is the same in every later one, so that a partner who was asked twice delivers once.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, true
from sqlalchemy.ext.asyncio import AsyncSession

from logistics_adapter.clients.orders import DeliveryDetails
from logistics_adapter.clients.privacy_gateway import SEALED, Outcome
from logistics_adapter.domain import access, routing, states
from logistics_adapter.domain.announcement import announce
from logistics_adapter.models import Delivery, DeliveryState, Shipment, State
from privity_contracts.ids import mint
from privity_jobs import enqueue
from privity_rest import Conflict

DISPATCH = "dispatch"
_WAITING = {State.ANNOUNCED, State.BLOCKED}


class AlreadyHandedOver(Conflict):
    code = "already_handed_over"


class ShipmentCancelled(Conflict):
    code = "shipment_cancelled"


@dataclass(frozen=True, slots=True)
class Task:
    """One delivery that is to be attempted now."""

    delivery_id: str
    recipient_id: str
    shipment_id: str
    weight_grams: int


async def ask(tx: AsyncSession, shipment_id: str, *, lane: str | None = None) -> None:
    """Adds the job; asked for again while it waits, it runs at once. `lane`: the partner's id."""
    await enqueue(
        tx,
        DISPATCH,
        {"shipment_id": shipment_id},
        key=shipment_id,
        lane=f"{DISPATCH}:{lane}" if lane else None,
    )


async def resume(tx: AsyncSession, shipment: Shipment, *, now: datetime) -> None:
    """A person has looked: try again now. Raises AlreadyHandedOver and ShipmentCancelled."""
    if shipment.state is State.CANCELLED:
        raise ShipmentCancelled(f"shipment {shipment.id} is cancelled")
    if shipment.state not in _WAITING:
        raise AlreadyHandedOver(f"shipment {shipment.id} is {shipment.state}")
    if shipment.state is State.BLOCKED:
        states.become(shipment, State.ANNOUNCED, since=now)
        delivery = await at_hand(tx, shipment)
        if delivery is not None:
            await _look_at_route_again(tx, shipment, delivery)
    delivery = await at_hand(tx, shipment)
    await ask(tx, shipment.id, lane=delivery.recipient_id if delivery else None)


async def _look_at_route_again(tx: AsyncSession, shipment: Shipment, delivery: Delivery) -> None:
    """The same partner keeps the same delivery id; another one gets one of its own."""
    carrier = shipment.carrier or await routing.carrier_for(tx, shipment.country)
    unchanged = carrier in (delivery.recipient_id, None)
    delivery.state = DeliveryState.PENDING if unchanged else DeliveryState.SUPERSEDED
    await tx.flush()


async def order_to_dispatch(tx: AsyncSession, shipment_id: str) -> str | None:
    """The shipment's order, while the shipment still waits for a partner."""
    shipment = await tx.get_one(Shipment, shipment_id)
    return shipment.order_id if shipment.state is State.ANNOUNCED else None


async def begin(
    tx: AsyncSession, shipment_id: str, details: DeliveryDetails | None, *, now: datetime
) -> Task | None:
    """Settles who is asked, under which id. Nothing, when nobody can be asked."""
    shipment = await access.lock(tx, Shipment.id == shipment_id, within=true())
    if shipment.state is not State.ANNOUNCED:
        return None
    if details is None:
        await block(tx, shipment, "order_not_found", now=now)
        return None
    if details.subject_id != shipment.subject_id or details.order_id != shipment.order_id:
        await block(tx, shipment, "subject_differs", now=now)
        return None
    for name in (*SEALED, "country"):
        setattr(shipment, name, getattr(details, name))
    delivery = await at_hand(tx, shipment)
    if delivery is None:
        carrier = shipment.carrier or await routing.carrier_for(tx, shipment.country)
        if carrier is None:
            await block(tx, shipment, "no_route", now=now)
            return None
        delivery = _new_delivery(shipment, carrier, now=now)
        tx.add(delivery)
    delivery.attempts += 1
    delivery.last_attempt_at = now
    return Task(delivery.id, delivery.recipient_id, shipment.id, shipment.weight_grams)


def _new_delivery(shipment: Shipment, carrier: str, *, now: datetime) -> Delivery:
    return Delivery(
        id=mint("dlv", clock=now.timestamp),
        shipment_id=shipment.id,
        recipient_id=carrier,
        state=DeliveryState.PENDING,
        attempts=0,
        created_at=now,
    )


async def settle(
    tx: AsyncSession, task: Task, outcome: Outcome, *, last: bool, now: datetime
) -> bool:
    """Writes down what became of an attempt. True when there is nothing left to try.

    `last`: there will be no further attempt, whatever came of this one.
    """
    shipment = await access.lock(tx, Shipment.id == task.shipment_id, within=true())
    delivery = await tx.get_one(Delivery, task.delivery_id)
    delivery.outcome, delivery.status = outcome.outcome, outcome.status
    delivery.reason = None if outcome.outcome == "delivered" else outcome.why
    if outcome.outcome == "delivered":
        delivery.state = DeliveryState.ACCEPTED
        # The partner's first report may have been faster than its answer.
        if shipment.state in _WAITING:
            states.become(shipment, State.HANDED_OVER, since=now)
            announce(tx, shipment, now=now)
        return True
    if shipment.state is not State.ANNOUNCED:
        return True
    if outcome.outcome == "retry" and not last:
        return False
    await block(tx, shipment, outcome.why, now=now)
    return True


async def give_up(tx: AsyncSession, shipment_id: str, reason: str, *, now: datetime) -> None:
    """There will be no further attempt, and this one did not get as far as the partner."""
    shipment = await access.lock(tx, Shipment.id == shipment_id, within=true())
    if shipment.state is State.ANNOUNCED:
        await block(tx, shipment, reason, now=now)


async def block(tx: AsyncSession, shipment: Shipment, reason: str, *, now: datetime) -> None:
    """Sets it aside for a person. The reason stays visible until somebody resumes it."""
    delivery = await at_hand(tx, shipment)
    if delivery is not None:
        delivery.state = DeliveryState.BLOCKED
    states.become(shipment, State.BLOCKED, since=now, reason=reason)
    announce(tx, shipment, now=now)


async def at_hand(tx: AsyncSession, shipment: Shipment) -> Delivery | None:
    """The delivery that the shipment's partner is asked for, or was."""
    found: Delivery | None = await tx.scalar(
        select(Delivery).where(
            Delivery.shipment_id == shipment.id, Delivery.state != DeliveryState.SUPERSEDED
        )
    )
    return found
