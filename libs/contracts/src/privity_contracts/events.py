"""Business events between services: ids and states only."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from privity_contracts.categories import OPERATIONAL, Timestamp
from privity_contracts.ids import EventId
from privity_contracts.model import Contract

EventType = Annotated[
    Literal[
        "order.packed",
        "order.delivered",
        "order.returned",
        "order.cancelled",
        "order.refunded",
        "shipment.announced",
        "shipment.handed_over",
        "shipment.blocked",
        "shipment.in_transit",
        "shipment.out_for_delivery",
        "shipment.delivered",
        "shipment.failed",
        "shipment.returned",
        "account.active",
        "account.closed",
        "case.assigned",
        "case.handed_over",
        "case.closed",
        "consent.withdrawn",
    ],
    OPERATIONAL,
]
Reference = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,64}$"), OPERATIONAL]


class Event(Contract):
    """Something that happened. `data` names the resources concerned by their ids."""

    id: EventId
    type: EventType
    occurred_at: Timestamp
    data: Annotated[dict[str, Reference], OPERATIONAL, Field(max_length=16)]
