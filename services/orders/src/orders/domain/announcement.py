"""What the shop's other services are told about an order: ids, and where it goes from and to."""

from datetime import UTC, datetime
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from orders.models import Order
from privity_contracts.events import Event
from privity_contracts.ids import mint
from privity_jobs import publish


def announce(
    tx: AsyncSession,
    what: Literal[
        "order.packed", "order.delivered", "order.returned", "order.cancelled", "order.refunded"
    ],
    order: Order,
    *,
    now: datetime,
) -> None:
    publish(
        tx,
        Event(
            id=mint("evt", clock=now.timestamp),
            type=what,
            occurred_at=now.astimezone(UTC),
            data={
                "order_id": order.id,
                "subject_id": order.subject_id,
                "site": order.site,
                "country": order.country.lower(),  # an event's values are lower case
            },
        ),
    )
