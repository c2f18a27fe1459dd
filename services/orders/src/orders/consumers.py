"""Events in. An event that was seen before changes nothing."""

from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from orders.domain import shipment
from orders.domain.states import Note
from orders.models import State
from privity_contracts.events import Event
from privity_contracts.ids import is_id
from privity_rest import Unprocessable

ADVANCES = {
    "shipment.handed_over": State.HANDED_OVER,
    "shipment.in_transit": State.IN_TRANSIT,
    "shipment.out_for_delivery": State.OUT_FOR_DELIVERY,
    "shipment.delivered": State.DELIVERED,
}
NOTES = {
    "shipment.blocked": Note.SHIPMENT_BLOCKED,
    "shipment.failed": Note.DELIVERY_FAILED,
    "shipment.returned": Note.RETURNED,
}
_log = structlog.get_logger("orders.events")


class NoOrder(Unprocessable):
    code, title = "no_order_named", "The event names no order"


async def receive(tx: AsyncSession, event: Event, *, now: datetime) -> None:
    """Raises NoOrder."""
    if event.type not in ADVANCES and event.type not in NOTES:
        return
    order_id = event.data.get("order_id", "")
    if not is_id(order_id, "ord"):
        raise NoOrder(errors=[("/data/order_id", "required")])
    if not await shipment.first_time(tx, event, now=now):
        return
    if event.type in ADVANCES:
        taken = await shipment.advance(tx, order_id, ADVANCES[event.type], now=now)
    else:
        taken = await shipment.note(tx, order_id, NOTES[event.type], now=now)
    if not taken:
        # Accepted all the same: sent again, it would not become true.
        _log.info("event_without_effect", event_id=event.id, type=event.type, order_id=order_id)
