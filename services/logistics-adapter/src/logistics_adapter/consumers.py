"""Events and jobs in: what happens because an order was packed."""

from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from logistics_adapter.clients import orders, privacy_gateway
from logistics_adapter.clients.privacy_gateway import Outcome
from logistics_adapter.domain import dispatch, packing
from logistics_adapter.domain.packing import PackedOrder
from privity_contracts.events import Event
from privity_contracts.ids import is_id
from privity_database import Database
from privity_jobs import EVENT, Handler, Job, RetryLater, event_relay
from privity_rest import GatewayClient, GatewayUnavailable, Unprocessable

Clock = Callable[[], datetime]


class IncompleteEvent(Unprocessable):
    code, title = "incomplete_event", "The event does not name what it is about"


async def receive(tx: AsyncSession, event: Event, *, parcel_grams: int, now: datetime) -> None:
    """Raises IncompleteEvent. An event that was taken before changes nothing."""
    if event.type not in {"order.packed", "order.cancelled"}:
        return
    order_id = event.data.get("order_id", "")
    if not is_id(order_id, "ord"):
        raise IncompleteEvent(errors=[("/data/order_id", "required")])
    if not await packing.first_time(tx, event.id, now=now):
        return
    if event.type == "order.cancelled":
        await packing.call_off(tx, order_id, now=now)
    else:
        order = _packed_order(order_id, event.data, parcel_grams=parcel_grams)
        await packing.begin_shipment(tx, order, now=now)


def _packed_order(order_id: str, data: Mapping[str, str], *, parcel_grams: int) -> PackedOrder:
    subject_id, site, carrier = data.get("subject_id", ""), data.get("site"), data.get("carrier")
    grams = data.get("weight_grams", str(parcel_grams))
    missing = [
        (f"/data/{name}", "required")
        for name, given in (
            ("subject_id", is_id(subject_id, "cus")),
            ("site", bool(site)),
            ("carrier", carrier is None or is_id(carrier, "rcp")),
            ("weight_grams", grams.isdecimal() and 0 < int(grams) <= 1_000_000),
        )
        if not given
    ]
    if missing or site is None:
        raise IncompleteEvent(errors=missing)
    return PackedOrder(
        order_id=order_id,
        subject_id=subject_id,
        site=site,
        weight_grams=int(grams),
        country=data["country"].upper() if "country" in data else None,
        carrier=carrier,
    )


def handlers(database: Database, gateway: GatewayClient, clock: Clock) -> Mapping[str, Handler]:
    """By the kind of job."""

    async def hand_over(job: Job) -> None:
        shipment_id = job.payload["shipment_id"]
        async with database.transaction() as tx:
            order_id = await dispatch.order_to_dispatch(tx, shipment_id)
        if order_id is None:
            return
        try:
            # Read anew for each attempt: what the customer corrected meanwhile counts.
            details = await orders.delivery_details(gateway, order_id)
        except (GatewayUnavailable, RetryLater) as failure:
            if not job.is_last_attempt:
                raise
            async with database.transaction() as tx:
                await dispatch.give_up(tx, shipment_id, _code(failure), now=clock())
                await job.finish(tx)
            return
        async with database.transaction() as tx:
            task = await dispatch.begin(tx, shipment_id, details, now=clock())
        if task is None or details is None:
            return
        outcome = await _attempt(gateway, task, details)
        async with database.transaction() as tx:
            over = await dispatch.settle(tx, task, outcome, last=job.is_last_attempt, now=clock())
            if over:
                await job.finish(tx)
        if not over:
            raise RetryLater(outcome.why, seconds=outcome.retry_after_seconds)

    return {dispatch.DISPATCH: hand_over, EVENT: event_relay(gateway)}


async def _attempt(
    gateway: GatewayClient, task: dispatch.Task, details: orders.DeliveryDetails
) -> Outcome:
    try:
        return await privacy_gateway.request_delivery(
            gateway,
            delivery_id=task.delivery_id,
            recipient_id=task.recipient_id,
            shipment_id=task.shipment_id,
            weight_grams=task.weight_grams,
            details=details,
        )
    except (GatewayUnavailable, RetryLater) as failure:
        return Outcome(outcome="retry", reason=_code(failure))


def _code(failure: GatewayUnavailable | RetryLater) -> str:
    return failure.reason if isinstance(failure, RetryLater) else failure.code
