"""Shipments, for the customers whom they go to and the staff who send them."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field, StringConstraints
from sqlalchemy import select

from logistics_adapter.api import Now
from logistics_adapter.domain import access, dispatch
from logistics_adapter.models import DeliveryState, Shipment, State
from privity_contracts import OPERATIONAL, Category, Contract, Sealed, Timestamp, route
from privity_contracts.ids import DeliveryId, OrderId, RecipientId, ShipmentId, SubjectId
from privity_database import Transaction
from privity_rest import AnyCaller, Staff

router = APIRouter(tags=["shipments"])
READERS = [
    "self_service",
    "delivery",
    "warehousing",
    "status_updates",
    "returns",
    "enquiries",
    "rights_requests",
    "break_glass",
    "service_operation",
]

Site = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$"), OPERATIONAL]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$"), OPERATIONAL]
ShipmentState = Annotated[State, OPERATIONAL]


class DeliveryView(Contract):
    """One partner's task, as far as it got."""

    id: DeliveryId
    recipient_id: RecipientId
    state: Annotated[DeliveryState, OPERATIONAL]
    attempts: Annotated[int, OPERATIONAL]
    last_attempt_at: Timestamp | None
    outcome: Code | None
    reason: Code | None
    status: Annotated[int | None, OPERATIONAL]


class TrackingView(Contract):
    status: ShipmentState
    occurred_at: Timestamp


class ShipmentView(Contract, subject="subject_id", scope="order/order_id"):
    id: ShipmentId
    order_id: OrderId
    subject_id: SubjectId
    site: Site
    state: ShipmentState
    blocked_reason: Code | None
    since: Timestamp
    created_at: Timestamp
    recipient: Annotated[Sealed, Category("user.name")] | None
    phone: Annotated[Sealed, Category("user.contact.phone_number")] | None
    line1: Annotated[Sealed, Category("user.contact.address.street")] | None
    line2: Annotated[Sealed, Category("user.contact.address.street")] | None
    city: Annotated[Sealed, Category("user.contact.address.city")] | None
    region: Annotated[Sealed, Category("user.contact.address.state")] | None
    postal_code: Annotated[Sealed, Category("user.contact.address.postal_code")] | None
    country: Annotated[str | None, Category("user.contact.address.country")]
    delivery: DeliveryView | None
    tracking: list[TrackingView]


class ShipmentSummary(Contract, subject="subject_id", scope="order/order_id"):
    """One line of a list: nothing sealed, since nobody reads fifty addresses at a glance."""

    id: ShipmentId
    order_id: OrderId
    subject_id: SubjectId
    site: Site
    state: ShipmentState
    blocked_reason: Code | None
    since: Timestamp
    created_at: Timestamp


class ShipmentPage(Contract):
    """Oldest first. `next_cursor` is the `cursor` of the following page."""

    items: list[ShipmentSummary]
    next_cursor: ShipmentId | None


@router.get(
    "/v1/shipments/{shipment_id}",
    response_model=ShipmentView,
    openapi_extra=route(purposes=READERS),
)
async def read_shipment(shipment_id: ShipmentId, tx: Transaction, caller: AnyCaller) -> object:
    within = access.reach(caller)
    return await access.find(tx, Shipment.id == shipment_id, within=within)


@router.get(
    "/v1/orders/{order_id}/shipment",
    response_model=ShipmentView,
    openapi_extra=route(purposes=READERS),
)
async def read_orders_shipment(order_id: OrderId, tx: Transaction, caller: AnyCaller) -> object:
    within = access.reach(caller)
    return await access.find(tx, Shipment.order_id == order_id, within=within)


@router.get(
    "/v1/shipments",
    response_model=ShipmentPage,
    openapi_extra=route(purposes=["delivery", "warehousing"]),
)
async def list_shipments(
    tx: Transaction,
    caller: Staff,
    state: Annotated[ShipmentState | None, Query()] = None,
    cursor: Annotated[ShipmentId | None, Query()] = None,
    limit: Annotated[int, OPERATIONAL, Query(), Field(ge=1, le=100)] = 50,
) -> object:
    query = select(Shipment).where(access.reach(caller)).order_by(Shipment.id).limit(limit + 1)
    if state is not None:
        query = query.where(Shipment.state == state)
    if cursor is not None:
        query = query.where(Shipment.id > cursor)
    found = (await tx.scalars(query)).all()
    return {
        "items": found[:limit],
        "next_cursor": found[limit - 1].id if len(found) > limit else None,
    }


@router.post(
    "/v1/shipments/{shipment_id}/dispatch",
    status_code=202,
    response_model=ShipmentView,
    openapi_extra=route(purposes=["delivery"]),
)
async def dispatch_shipment(
    shipment_id: ShipmentId, tx: Transaction, caller: Staff, now: Now
) -> object:
    within = access.reach(caller)
    shipment = await access.lock(tx, Shipment.id == shipment_id, within=within)
    await dispatch.resume(tx, shipment, now=now)
    await tx.flush()
    return await access.find(tx, Shipment.id == shipment_id, within=within)
