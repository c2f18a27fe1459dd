"""Ending an order before it is packed: stock returns, and so does the money."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from orders.domain import payment, states, stock
from orders.domain.announcement import announce
from orders.domain.states import Actor, Party
from orders.models import Order, State


async def cancel(tx: AsyncSession, order: Order, *, by: Party, actor: Actor, now: datetime) -> None:
    """The order's row is locked. Cancelled already is fine. Raises WrongState."""
    if order.state is State.CANCELLED:
        return
    states.move(tx, order, State.CANCELLED, by=by, actor=actor, now=now)
    await stock.give_back(tx, order.lines)
    for tried in order.payments:
        await payment.release(tx, tried, now=now)
    announce(tx, "order.cancelled", order, now=now)
