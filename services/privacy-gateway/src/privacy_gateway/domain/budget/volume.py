"""How many orders the shop has on a day: what budgets of its staff are measured by."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.models import CountedEvent, OrderVolume
from privity_contracts.events import Event

# An outbox gives up no event; one that comes again after so long is counted again.
REMEMBERED = timedelta(days=30)


async def count(tx: AsyncSession, event: Event, *, now: datetime) -> None:
    """A packed order, on the day on which it was packed."""
    await tx.execute(delete(CountedEvent).where(CountedEvent.counted_at < now - REMEMBERED))
    first = await tx.scalar(
        insert(CountedEvent)
        .values(id=event.id, counted_at=now)
        .on_conflict_do_nothing()
        .returning(CountedEvent.id)
    )
    if first is None:
        return
    await tx.execute(
        insert(OrderVolume)
        .values(day=event.occurred_at.astimezone(UTC).date(), orders=1)
        .on_conflict_do_update(
            index_elements=[OrderVolume.day], set_={"orders": OrderVolume.orders + 1}
        )
    )
