"""Whose orders a caller reaches. What is out of reach looks as if it did not exist."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from orders.models import Order
from privity_rest import Caller, NotAllowed, NotFound


class OrderNotFound(NotFound):
    code = "order_not_found"


class WorkRequired(NotAllowed):
    """Staff reach orders through their work alone, so without work they reach none."""

    code = "work_required"


@dataclass(frozen=True, slots=True)
class Reach:
    """Every member that is given narrows; none given reaches everything."""

    subject: str | None = None
    order: str | None = None
    site: str | None = None

    def includes(self, *, order: str, subject: str, site: str) -> bool:
        return (
            self.subject in (None, subject)
            and self.order in (None, order)
            and self.site in (None, site)
        )

    def condition(self) -> ColumnElement[bool]:
        pairs = (
            (Order.subject_id, self.subject),
            (Order.id, self.order),
            (Order.site, self.site),
        )
        return and_(true(), *(column == wanted for column, wanted in pairs if wanted is not None))


def reach(caller: Caller) -> Reach:
    """Raises WorkRequired for staff without work, NotAllowed for whom orders are no business."""
    if caller.kind == "customer" and caller.subject:
        return Reach(subject=caller.subject)
    if caller.kind == "service":
        return Reach()  # which service reads what is the policy's decision, made at the gateway
    if caller.kind == "staff":
        kind, _, name = (caller.work or "").partition("/")
        if kind == "order" and name:
            return Reach(order=name)
        if kind == "site" and name:
            return Reach(site=name)
        if kind == "case":
            return _of_a_case(caller)
        if kind == "break-glass" and name:
            return Reach()  # the gateway let them, told the data protection officer and counts
        raise WorkRequired("orders are reached through the work that names them")
    raise NotAllowed("orders are for their customers and for staff at work")


def _of_a_case(caller: Caller) -> Reach:
    """The order that the case is about; where the purpose reaches further, all of its customer."""
    orders = caller.covered("order")
    if caller.work_subject is None or orders == frozenset():
        raise WorkRequired("the case is about no order")
    return Reach(subject=caller.work_subject, order=None if orders is None else min(orders))


async def find(tx: AsyncSession, order_id: str, *, reach: Reach, lock: bool = False) -> Order:
    """Raises OrderNotFound."""
    query = select(Order).where(Order.id == order_id, reach.condition())
    order = await tx.scalar(query.with_for_update() if lock else query)
    if order is None:
        raise OrderNotFound(f"no order {order_id}")
    return order
