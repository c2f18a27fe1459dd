"""Whose shipments a caller reaches. What is out of reach looks as if it did not exist."""

from sqlalchemy import ColumnElement, and_, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from logistics_adapter.models import Shipment
from privity_contracts.ids import is_id
from privity_rest import Caller, NotAllowed, NotFound


class ShipmentNotFound(NotFound):
    code = "shipment_not_found"


class WorkRequired(NotAllowed):
    """Staff reach shipments through their work alone, so without work they reach none."""

    code = "work_required"


def reach(caller: Caller) -> ColumnElement[bool]:
    """Raises WorkRequired for staff without work, NotAllowed for whom shipments are no business."""
    if caller.kind == "customer" and caller.subject:
        return Shipment.subject_id == caller.subject
    if caller.kind == "service":
        return true()  # which service reads what is the policy's decision, made at the gateway
    if caller.kind == "staff":
        kind, _, name = (caller.work or "").partition("/")
        if kind == "order" and is_id(name, "ord"):
            return Shipment.order_id == name
        if kind == "site" and name:
            return Shipment.site == name
        if kind == "case":
            return _of_a_case(caller)
        if kind == "break-glass" and name:
            return true()  # the gateway let them, told the data protection officer and counts
        raise WorkRequired("shipments are reached through the work that names them")
    raise NotAllowed("shipments are for their customers and for staff at work")


def _of_a_case(caller: Caller) -> ColumnElement[bool]:
    """The order that the case is about; where the purpose reaches further, all of its customer."""
    orders = caller.covered("order")
    if caller.work_subject is None or orders == frozenset():
        raise WorkRequired("the case is about no order")
    theirs = Shipment.subject_id == caller.work_subject
    return theirs if orders is None else and_(theirs, Shipment.order_id.in_(orders))


async def find(
    tx: AsyncSession, which: ColumnElement[bool], *, within: ColumnElement[bool]
) -> Shipment:
    """With its deliveries and tracking. Raises ShipmentNotFound."""
    shipment = await tx.scalar(
        select(Shipment)
        .where(which, within)
        .options(selectinload(Shipment.deliveries), selectinload(Shipment.tracking))
        .execution_options(populate_existing=True)
    )
    if shipment is None:
        raise ShipmentNotFound("no such shipment")
    return shipment


async def lock(
    tx: AsyncSession, which: ColumnElement[bool], *, within: ColumnElement[bool]
) -> Shipment:
    """Alone, and held until the transaction ends. Raises ShipmentNotFound."""
    shipment = await tx.scalar(select(Shipment).where(which, within).with_for_update())
    if shipment is None:
        raise ShipmentNotFound("no such shipment")
    return shipment
