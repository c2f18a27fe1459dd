"""Finding orders, for staff to whom somebody turns."""

from typing import Annotated

from fastapi import APIRouter

from orders.api.answers import PURCHASE, Moment, Number
from orders.domain import order_search
from orders.domain.order_search import FINDING
from orders.models import State
from privity_contracts import Category, Contract, Sealed, route
from privity_contracts.ids import OrderId, SubjectId
from privity_database import Transaction
from privity_rest import NotAllowed, Staff

router = APIRouter(prefix="/v1/orders")


class OrderSearch(Contract):
    number: Number


class OrderFound(Contract, subject="subject_id", scope="order/id"):
    """Enough to tell that it is the right one."""

    id: OrderId
    number: Number
    subject_id: SubjectId
    state: Annotated[State, PURCHASE]
    placed_at: Moment
    recipient: Annotated[Sealed, Category("user.name")] | None


class OrdersFound(Contract):
    items: list[OrderFound]


@router.post(
    "/searches",
    response_model=OrdersFound,
    openapi_extra=route(purposes=[FINDING, "enquiries", "returns"], answers="search"),
)
async def search_orders(body: OrderSearch, caller: Staff, tx: Transaction) -> object:
    within = order_search.reach(caller)
    if within.site is not None:
        raise NotAllowed("a site finds its orders in its list")
    found = await order_search.by_number(tx, body.number, within=within)
    return OrdersFound(
        items=[
            OrderFound(
                id=order.id,
                number=order.number,
                subject_id=order.subject_id,
                state=order.state,
                placed_at=order.placed_at,
                recipient=recipient,
            )
            for order, recipient in found
        ]
    )
