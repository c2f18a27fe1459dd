"""The steps that staff take an order through."""

from fastapi import APIRouter

from orders.api.answers import OrderView, order_view
from orders.api.held import Now
from orders.api.staff import Packer, Verifier
from orders.domain import access, fulfilment
from orders.domain.states import Actor
from privity_contracts import route
from privity_contracts.ids import OrderId
from privity_database import Transaction

router = APIRouter(prefix="/v1/orders/{order_id}")


@router.post(
    "/confirmation",
    response_model=OrderView,
    openapi_extra=route(purposes=["order_verification"]),
)
async def confirm_order(order_id: OrderId, tx: Transaction, caller: Verifier, now: Now) -> object:
    order = await access.find(tx, order_id, reach=access.reach(caller), lock=True)
    fulfilment.confirm(tx, order, actor=Actor(caller.actor, caller.role), now=now)
    return order_view(order)


@router.post("/packing", response_model=OrderView, openapi_extra=route(purposes=["warehousing"]))
async def pack_order(order_id: OrderId, tx: Transaction, caller: Packer, now: Now) -> object:
    order = await access.find(tx, order_id, reach=access.reach(caller), lock=True)
    fulfilment.pack(tx, order, actor=Actor(caller.actor, caller.role), now=now)
    return order_view(order)
