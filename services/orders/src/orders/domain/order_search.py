"""Finding an order by the number that its customer reads out."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from orders.domain import access
from orders.domain.access import Reach
from orders.models import Delivery, Order
from privity_contracts import Sealed
from privity_rest import Caller

FINDING = "customer_search"


def reach(caller: Caller) -> Reach:
    """Who looks for whoever turned to us finds any order; others, what is their work."""
    if caller.kind == "staff" and caller.purpose == FINDING:
        return Reach()
    return access.reach(caller)


async def by_number(
    tx: AsyncSession, number: str, *, within: Reach
) -> list[tuple[Order, Sealed | None]]:
    """With the name of whom it goes to, where that is still there. A number has one order."""
    query = (
        select(Order, Delivery.recipient)
        .outerjoin(Delivery, Delivery.order_id == Order.id)
        .where(Order.number == number, within.condition())
    )
    return [(order, recipient) for order, recipient in await tx.execute(query)]
