"""What is held here of one person, and letting go of it class by class.

The books' part of an order (totals, tax, lines, dates, country) goes last and on its own; what
names, reaches or recognises the person goes before it.
"""

from datetime import datetime

from sqlalchemy import delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from orders.domain.states import Note
from orders.models import (
    Delivery,
    IdempotencyKey,
    Order,
    OrderChange,
    Outcome,
    Payment,
    SandboxCharge,
    State,
)
from privity_contracts.holdings import Drop, Holding, holding
from privity_jobs import QueuedJob

ENDED = frozenset({State.DELIVERED, State.CANCELLED})
FORGOTTEN_TOKEN = "tok_forgotten"  # noqa: S105  # stands where a provider's token was
_DELIVERY = ("recipient", "phone", "line1", "line2", "city", "region", "postal_code")
_ADDRESSEE = frozenset({"identity", "delivery"})


async def held(tx: AsyncSession, subject_id: str) -> list[Holding]:
    orders = (await tx.scalars(select(Order).where(Order.subject_id == subject_id))).all()
    return [await _held(tx, order) for order in orders]


async def _held(tx: AsyncSession, order: Order) -> Holding:
    delivery = await tx.get(Delivery, order.id)
    plain = {
        "user.behavior.purchase_history": ["lines", "total", "tax", "state", "placed_at"],
        "user.contact.address.country": ["country"],
    }
    if any(paid.token != FORGOTTEN_TOKEN for paid in order.payments):
        plain["user.payment"] = ["payments.token", "payments.brand", "payments.last4"]
    return holding(
        f"order/{order.id}",
        {} if delivery is None else {name: getattr(delivery, name) for name in _DELIVERY},
        plain,
        in_progress=await _in_progress(tx, order),
        country=order.country,
    )


async def _in_progress(tx: AsyncSession, order: Order) -> str | None:
    """Goods on their way, or money that has not come back yet. What came back to us is not on its
    way any more, whatever state it was in."""
    if order.state not in ENDED and not await _came_back(tx, order):
        return f"order_{order.state}"
    if any(paid.outcome is Outcome.RELEASING for paid in order.payments):
        return "payment_releasing"
    return None


async def _came_back(tx: AsyncSession, order: Order) -> bool:
    noted = (OrderChange.order_id == order.id, OrderChange.what == Note.RETURNED)
    return bool(await tx.scalar(select(exists().where(*noted))))


async def drop(tx: AsyncSession, told: Drop, *, now: datetime) -> int:
    kind, _, order_id = told.scope.partition("/")
    theirs = (Order.id == order_id, Order.subject_id == told.subject_id)
    order = await tx.scalar(select(Order).where(*theirs).with_for_update())
    if kind != "order" or order is None:
        return 0
    gone, rows = set(told.classes), 0
    if gone >= _ADDRESSEE:
        of_it = Delivery.order_id == order_id
        rows += len((await tx.scalars(delete(Delivery).where(of_it).returning(of_it))).all())
        rows += await _forget_requests(tx, order)
    if "payment" in gone:
        rows += await _forget_cards(tx, order, now=now)
    if "books" in gone:
        await tx.delete(order)
        rows += 1
    return rows


async def _forget_requests(tx: AsyncSession, order: Order) -> int:
    """What a repeated request would be answered with, and jobs that were given up."""
    mine = (
        IdempotencyKey.subject_id == order.subject_id,
        IdempotencyKey.resource_id.in_([order.id, *(paid.id for paid in order.payments)]),
    )
    forgotten = await tx.scalars(
        delete(IdempotencyKey).where(*mine).returning(IdempotencyKey.resource_id)
    )
    dead = (QueuedJob.key == order.id, QueuedJob.dead_at.is_not(None))
    await tx.execute(delete(QueuedJob).where(*dead))
    return len(forgotten.all())


async def _forget_cards(tx: AsyncSession, order: Order, *, now: datetime) -> int:
    """The provider's reference stays: the books are checked against the provider's with it."""
    known = (Payment.order_id == order.id, Payment.token != FORGOTTEN_TOKEN)
    nothing = {"brand": None, "last4": None}
    forgotten = await tx.scalars(
        update(Payment)
        .where(*known)
        .values(token=FORGOTTEN_TOKEN, challenge_url=None, updated_at=now, **nothing)
        .returning(Payment.id)
    )
    payments = list(forgotten)
    await tx.execute(
        update(SandboxCharge).where(SandboxCharge.payment_id.in_(payments)).values(**nothing)
    )
    return len(payments)
