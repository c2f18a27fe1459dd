"""Orders as pages, and the history of one."""

from collections.abc import Sequence

from sqlalchemy import select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from orders.domain.access import Reach
from orders.models import Order, OrderChange, State


async def page(
    tx: AsyncSession,
    reach: Reach,
    *,
    state: State | None,
    site: str | None,
    after: str | None,
    limit: int,
) -> Sequence[Order]:
    """Newest first. `after` is the last order of the page before."""
    query = select(Order).where(
        reach.condition(),
        Order.state == state if state else true(),
        Order.site == site if site else true(),
    )
    if after is not None:
        # Found only within reach: a cursor tells nobody anything about others' orders.
        last = select(Order.placed_at, Order.id).where(Order.id == after, reach.condition())
        query = query.where(tuple_(Order.placed_at, Order.id) < last.scalar_subquery())
    newest_first = query.order_by(Order.placed_at.desc(), Order.id.desc())
    return (await tx.scalars(newest_first.limit(limit))).all()


async def history(tx: AsyncSession, order_id: str) -> Sequence[OrderChange]:
    query = select(OrderChange).where(OrderChange.order_id == order_id).order_by(OrderChange.id)
    return (await tx.scalars(query)).all()
