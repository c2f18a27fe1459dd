"""Paying for an order: a try begins before the provider is asked, and ends with what it said."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from orders.clients.payment_provider import Attempt, Charge
from orders.domain import states
from orders.domain.announcement import announce
from orders.domain.states import SHOP_ITSELF, Party
from orders.models import Order, Outcome, Payment, State
from privity_contracts.ids import mint
from privity_jobs import enqueue
from privity_rest import Conflict, NotFound

SETTLE = "settle_payment"
RELEASE = "release_payment"
UNDECIDED = frozenset({Outcome.PENDING, Outcome.CHALLENGE})
LIVE = UNDECIDED | {Outcome.APPROVED}


class NotPayable(Conflict):
    code = "not_payable"


class PaymentPending(Conflict):
    code = "payment_pending"


class PaymentNotFound(NotFound):
    code = "payment_not_found"


class NoChallenge(Conflict):
    code = "no_challenge"


def new_id(now: datetime) -> str:
    return mint("pay", clock=now.timestamp)


async def begin(
    tx: AsyncSession,
    order: Order,
    *,
    payment_id: str,
    token: str,
    now: datetime,
    recover_after: timedelta,
) -> Charge:
    """A try, and the job that finds out about it should we not live to.

    Raises NotPayable, PaymentPending.
    """
    if order.state is not State.PLACED:
        raise NotPayable(f"order {order.id} is {order.state}")
    for earlier in order.payments:
        if earlier.outcome is Outcome.PENDING:
            raise PaymentPending(f"payment {earlier.id} is not decided yet")
        if earlier.outcome is Outcome.CHALLENGE:
            # The customer chose another card over the challenge.
            await release(tx, earlier, now=now)
    # The index on live payments is checked statement by statement.
    await tx.flush()
    payment = Payment(
        id=payment_id,
        order_id=order.id,
        token=token,
        amount=order.total,
        currency=order.currency,
        outcome=Outcome.PENDING,
        created_at=now,
        updated_at=now,
    )
    order.payments.append(payment)
    await enqueue(
        tx, SETTLE, {"payment_id": payment_id}, key=payment_id, run_at=now + recover_after
    )
    return charge_of(payment)


def charge_of(payment: Payment) -> Charge:
    return Charge(
        payment_id=payment.id,
        amount=payment.amount,
        currency=payment.currency,
        token=payment.token,
        reference=payment.reference,
    )


async def record(tx: AsyncSession, payment_id: str, attempt: Attempt, *, now: datetime) -> None:
    """Writes down what the provider said. What was decided before stays as it is."""
    order, payment = await _locked(tx, payment_id)
    payment.reference = attempt.reference or payment.reference
    payment.brand = attempt.brand or payment.brand
    payment.last4 = attempt.last4 or payment.last4
    # Released meanwhile, approved or not: the job that gives the money back looks for itself.
    if payment.outcome not in UNDECIDED:
        return
    payment.outcome = attempt.outcome
    payment.reason = attempt.reason
    payment.challenge_url = attempt.challenge_url
    payment.updated_at = now
    if attempt.outcome is Outcome.APPROVED:
        states.move(tx, order, State.PAID, by=Party.PAYMENT, actor=SHOP_ITSELF, now=now)


async def release(tx: AsyncSession, payment: Payment, *, now: datetime) -> None:
    """The money is not wanted any more, whether it is held, on its way or neither."""
    if payment.outcome not in LIVE:
        return
    payment.outcome = Outcome.RELEASING
    payment.challenge_url = None
    payment.updated_at = now
    await enqueue(tx, RELEASE, {"payment_id": payment.id}, key=payment.id)


async def released(tx: AsyncSession, payment_id: str, outcome: Outcome, *, now: datetime) -> None:
    order, payment = await _locked(tx, payment_id)
    if payment.outcome is not Outcome.RELEASING:
        return
    payment.outcome = outcome
    payment.updated_at = now
    if outcome is Outcome.REFUNDED:
        # What is kept for disputes is kept from when the money went back, not from before.
        announce(tx, "order.refunded", order, now=now)


def challenged(order: Order, payment_id: str) -> Payment:
    """The payment whose challenge the customer comes back from, or came back from before.

    Raises PaymentNotFound, NoChallenge.
    """
    payment = next((payment for payment in order.payments if payment.id == payment_id), None)
    if payment is None:
        raise PaymentNotFound(f"no payment {payment_id}")
    if payment.outcome not in {Outcome.CHALLENGE, Outcome.APPROVED, Outcome.DECLINED}:
        raise NoChallenge(f"payment {payment_id} is {payment.outcome}")
    return payment


async def _locked(tx: AsyncSession, payment_id: str) -> tuple[Order, Payment]:
    its_order = select(Payment.order_id).where(Payment.id == payment_id).scalar_subquery()
    query = select(Order).where(Order.id == its_order).with_for_update()
    order = (await tx.scalars(query)).one()
    return order, next(payment for payment in order.payments if payment.id == payment_id)
