"""What a partner reports about a shipment that is theirs."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from logistics_adapter.domain import access, dispatch, states
from logistics_adapter.domain.announcement import announce
from logistics_adapter.models import Delivery, DeliveryState, Shipment, State, TrackingEvent
from privity_rest import Unprocessable

CLOCKS_DIFFER = timedelta(minutes=5)


class NotYet(Unprocessable):
    code, title = "occurred_in_the_future", "A report is about what has happened"


@dataclass(frozen=True, slots=True)
class Report:
    event_id: str
    shipment_id: str
    status: State
    occurred_at: datetime


async def take(tx: AsyncSession, report: Report, *, recipient_id: str, now: datetime) -> bool:
    """False when it is no news. Raises ShipmentNotFound, for another partner's shipment too."""
    if report.occurred_at > now + CLOCKS_DIFFER:
        raise NotYet(errors=[("/occurred_at", NotYet.code)])
    theirs = exists().where(
        Delivery.shipment_id == Shipment.id,
        Delivery.recipient_id == recipient_id,
        Delivery.state != DeliveryState.SUPERSEDED,
        Delivery.attempts > 0,
    )
    shipment = await access.lock(tx, Shipment.id == report.shipment_id, within=theirs)
    if not await _first_time(tx, report, shipment, recipient_id=recipient_id, now=now):
        return False
    if not states.may_become(
        shipment.state, report.status, since=shipment.since, occurred_at=report.occurred_at
    ):
        return False
    states.become(shipment, report.status, since=report.occurred_at)
    delivery = await dispatch.at_hand(tx, shipment)
    if delivery is not None:
        # Whatever their answer was, or wherever it got lost: they have it.
        delivery.state = DeliveryState.ACCEPTED
    announce(tx, shipment, now=now)
    return True


async def _first_time(
    tx: AsyncSession, report: Report, shipment: Shipment, *, recipient_id: str, now: datetime
) -> bool:
    added = await tx.scalar(
        insert(TrackingEvent)
        .values(
            recipient_id=recipient_id,
            event_id=report.event_id,
            shipment_id=shipment.id,
            status=report.status,
            occurred_at=report.occurred_at,
            received_at=now,
        )
        .on_conflict_do_nothing()
        .returning(TrackingEvent.event_id)
    )
    return added is not None
