"""Paying for an order that is placed: another try, and coming back from a challenge."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import StringConstraints

from orders.api.answers import PAYMENT, OrderView, order_view
from orders.api.held import HeldDatabase, HeldSettlement, HeldTerms, Now
from orders.api.orders import PaymentWanted
from orders.clients.payment_provider import Charge
from orders.domain import access, idempotency, payment
from orders.domain.access import Reach
from orders.domain.placement import Terms
from orders.models import Outcome
from privity_contracts import Contract, route
from privity_contracts.ids import OrderId, PaymentId
from privity_database import Database
from privity_rest import Customer

router = APIRouter(prefix="/v1/orders/{order_id}/payments")


class ChallengeResult(Contract):
    """What the challenge gave the customer to bring back, with providers that work so."""

    result: Annotated[str, StringConstraints(pattern=r"^res_[a-z_]{1,40}$"), PAYMENT] | None = None


@router.post(
    "",
    status_code=201,
    response_model=OrderView,
    openapi_extra=route(purposes=["self_service"], idempotent=True),
)
async def pay_again(
    *,
    order_id: OrderId,
    body: PaymentWanted,
    caller: Customer,
    database: HeldDatabase,
    settlement: HeldSettlement,
    terms: HeldTerms,
    now: Now,
) -> object:
    reach = access.reach(caller)
    request = idempotency.request_of(caller, f"payment/{order_id}")
    charge = await _begin(
        database, request, order_id, reach=reach, token=body.token, terms=terms, now=now
    )
    if charge is not None:
        await settlement.charge(charge)
    else:
        await settlement.decided(order_id)
    async with database.transaction() as tx:
        return order_view(await access.find(tx, order_id, reach=reach))


@router.post(
    "/{payment_id}/confirmation",
    response_model=OrderView,
    openapi_extra=route(purposes=["self_service"]),
)
async def confirm_payment(
    *,
    order_id: OrderId,
    payment_id: PaymentId,
    body: ChallengeResult,
    caller: Customer,
    database: HeldDatabase,
    settlement: HeldSettlement,
) -> object:
    reach = access.reach(caller)
    async with database.transaction() as tx:
        order = await access.find(tx, order_id, reach=reach)
        tried = payment.challenged(order, payment_id)
    if tried.outcome is Outcome.CHALLENGE:
        await settlement.after_challenge(payment.charge_of(tried), result=body.result)
    async with database.transaction() as tx:
        return order_view(await access.find(tx, order_id, reach=reach))


async def _begin(
    database: Database,
    request: idempotency.Request,
    order_id: str,
    *,
    reach: Reach,
    token: str,
    terms: Terms,
    now: datetime,
) -> Charge | None:
    """Nothing is left to charge when the key stands for a try already."""
    payment_id = payment.new_id(now)
    async with database.transaction() as tx:
        order = await access.find(tx, order_id, reach=reach, lock=True)
        if await idempotency.claim(tx, request, resource=payment_id, now=now) is not None:
            return None
        return await payment.begin(
            tx,
            order,
            payment_id=payment_id,
            token=token,
            now=now,
            recover_after=terms.recover_after,
        )
