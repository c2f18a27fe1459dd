"""Time to pay is over: what was reserved for nobody goes back into stock."""

from collections.abc import Callable
from datetime import datetime

from orders.domain import cancellation
from orders.domain.settlement import Settlement
from orders.domain.states import SHOP_ITSELF, Party
from orders.models import Order, State
from privity_database import Database
from privity_jobs import Handler, Job


def handler(
    database: Database, settlement: Settlement, *, clock: Callable[[], datetime]
) -> Handler:
    async def expire(job: Job) -> None:
        order_id = job.payload["order_id"]
        await settlement.look_again(order_id)
        async with database.transaction() as tx:
            order = await tx.get(Order, order_id, with_for_update=True)
            if order is not None and order.state is State.PLACED:
                await cancellation.cancel(tx, order, by=Party.CLOCK, actor=SHOP_ITSELF, now=clock())
            await job.finish(tx)

    return expire
