"""Orders: placing, reading, cancelling."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field, StringConstraints

from orders.api.answers import (
    PAYMENT,
    PURCHASE,
    Country,
    HistoryView,
    OrderPage,
    OrderView,
    Site,
    history_view,
    order_view,
)
from orders.api.held import HeldDatabase, HeldSettlement, HeldTerms, Now
from orders.domain import access, cancellation, idempotency, placement, reading
from orders.domain.states import Actor, Party
from orders.models import Delivery, State
from privity_contracts import OPERATIONAL, Category, Contract, Sealed, carried, route
from privity_contracts.ids import OrderId, ProductId
from privity_database import Transaction
from privity_rest import AnyCaller, Customer, Malformed, NotAllowed

READERS = [
    "self_service",
    "order_verification",
    "warehousing",
    "delivery",
    "status_updates",
    "returns",
    "enquiries",
    "feedback",
    "rights_requests",
    "fraud_review",
    "bookkeeping",
    "break_glass",
    "service_operation",
]
router = APIRouter(prefix="/v1/orders")

# A provider's token. No run of digits in it is long enough for a card number.
Token = Annotated[
    str,
    StringConstraints(pattern=r"^(tok|pm)_([0-9]{0,11}[A-Za-z_])*[0-9]{0,11}$", max_length=80),
    PAYMENT,
]


class LineWanted(Contract):
    product_id: Annotated[ProductId, PURCHASE]
    quantity: Annotated[int, Field(ge=1, le=99), PURCHASE]


class DeliveryWanted(Contract, group="address"):
    recipient: Annotated[Sealed, Category("user.name")]
    phone: Annotated[Sealed, Category("user.contact.phone_number")]
    line1: Annotated[Sealed, Category("user.contact.address.street")]
    line2: Annotated[Sealed, Category("user.contact.address.street")] | None = None
    city: Annotated[Sealed, Category("user.contact.address.city")]
    region: Annotated[Sealed, Category("user.contact.address.state")] | None = None
    postal_code: Annotated[Sealed, Category("user.contact.address.postal_code")] | None = None
    country: Country


class PaymentWanted(Contract):
    token: Token


class OrderWanted(Contract):
    lines: Annotated[list[LineWanted], Field(min_length=1, max_length=50)]
    delivery: Annotated[
        DeliveryWanted,
        carried("address_id", service="customers", path="/v1/addresses/{address_id}"),
    ]
    payment: PaymentWanted


@router.post(
    "",
    status_code=201,
    response_model=OrderView,
    openapi_extra=route(purposes=["self_service"], scope="order/new", new="ord", idempotent=True),
)
async def place_order(
    *,
    body: OrderWanted,
    caller: Customer,
    database: HeldDatabase,
    settlement: HeldSettlement,
    terms: HeldTerms,
    now: Now,
) -> object:
    """The answer tells how the payment went: `paid`, or `placed` with it declined, challenged
    or still pending."""
    if caller.new_id is None:
        raise Malformed("the gateway gave the order no id")
    request = idempotency.request_of(caller, "order")
    async with database.transaction() as tx:
        placed = await placement.place(
            tx,
            request,
            order_id=caller.new_id,
            wanted=[(line.product_id, line.quantity) for line in body.lines],
            delivery=_delivery(body.delivery),
            token=body.payment.token,
            actor=Actor(caller.actor, caller.role),
            terms=terms,
            now=now,
        )
    if placed.charge is not None:
        await settlement.charge(placed.charge)
    else:
        await settlement.decided(placed.order_id)
    async with database.transaction() as tx:
        return order_view(await access.find(tx, placed.order_id, reach=access.reach(caller)))


@router.get(
    "",
    response_model=OrderPage,
    openapi_extra=route(
        purposes=[
            "self_service",
            "order_verification",
            "warehousing",
            "delivery",
            "status_updates",
            "returns",
            "rights_requests",
        ]
    ),
)
async def list_orders(
    *,
    tx: Transaction,
    caller: AnyCaller,
    state: Annotated[Annotated[State, OPERATIONAL] | None, Query()] = None,
    site: Annotated[Site | None, Query()] = None,
    cursor: Annotated[OrderId | None, Query()] = None,
    limit: Annotated[Annotated[int, Field(ge=1, le=100), OPERATIONAL], Query()] = 20,
) -> object:
    orders = await reading.page(
        tx, access.reach(caller), state=state, site=site, after=cursor, limit=limit + 1
    )
    shown = [order_view(order) for order in orders[:limit]]
    return OrderPage(items=shown, next_cursor=shown[-1].id if len(orders) > limit else None)


@router.get("/{order_id}", response_model=OrderView, openapi_extra=route(purposes=READERS))
async def read_order(order_id: OrderId, tx: Transaction, caller: AnyCaller) -> object:
    return order_view(await access.find(tx, order_id, reach=access.reach(caller)))


@router.get(
    "/{order_id}/history", response_model=HistoryView, openapi_extra=route(purposes=READERS[:-1])
)
async def read_history(order_id: OrderId, tx: Transaction, caller: AnyCaller) -> object:
    order = await access.find(tx, order_id, reach=access.reach(caller))
    changes = await reading.history(tx, order_id)
    return history_view(order, list(changes), reader_is_customer=caller.kind == "customer")


@router.post(
    "/{order_id}/cancellation",
    response_model=OrderView,
    openapi_extra=route(purposes=["self_service", "order_verification", "enquiries"]),
)
async def cancel_order(order_id: OrderId, tx: Transaction, caller: AnyCaller, now: Now) -> object:
    if caller.kind == "customer":
        by = Party.CUSTOMER
    elif caller.kind == "staff" and caller.role in {"support_1", "support_2"}:
        by = Party.SUPPORT
    else:
        raise NotAllowed("orders are cancelled by their customers and by support")
    order = await access.find(tx, order_id, reach=access.reach(caller), lock=True)
    await cancellation.cancel(tx, order, by=by, actor=Actor(caller.actor, caller.role), now=now)
    return order_view(order)


def _delivery(wanted: DeliveryWanted) -> Delivery:
    return Delivery(
        recipient=wanted.recipient,
        phone=wanted.phone,
        line1=wanted.line1,
        line2=wanted.line2,
        city=wanted.city,
        region=wanted.region,
        postal_code=wanted.postal_code,
        country=wanted.country,
    )
