"""Who gets an order, and where: read for every parcel, by the driver and not by the ORM."""

from types import TracebackType
from typing import Any, Self

import asyncpg

from orders.domain.access import OrderNotFound, Reach
from privity_database import Database, DatabaseUnavailable

_READ = """
    SELECT d.order_id, o.subject_id, o.site, d.recipient, d.phone, d.line1, d.line2, d.city,
        d.region, d.postal_code, d.country
    FROM deliveries d JOIN orders o ON o.id = d.order_id
    WHERE d.order_id = $1
"""
# The server's state and nobody's mistake; libs/database says the same of the engine's errors.
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the driver's word for a connection cut in mid-sentence
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
)


class Deliveries:
    """A few connections of its own: through the engine, a read costs twice as much."""

    def __init__(self, database: Database, *, most: int = 4) -> None:
        engine = database.engine
        _, how = engine.dialect.create_connect_args(engine.url)
        # Our one statement leaves nothing behind in a connection that would need a reset.
        self._pool = asyncpg.create_pool(
            **how, min_size=0, max_size=most, reset=_nothing, timeout=5, command_timeout=5
        )

    async def __aenter__(self) -> Self:
        await self._pool
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.terminate()

    async def read(self, order_id: str, *, reach: Reach) -> dict[str, Any]:
        """Sealed values as they go over the wire. Raises OrderNotFound."""
        try:
            row = await self._pool.fetchrow(_READ, order_id)
        except _AWAY as exc:
            raise DatabaseUnavailable from exc
        if row is not None:
            delivery = dict(row)
            site = delivery.pop("site")
            if reach.includes(order=order_id, subject=delivery["subject_id"], site=site):
                return delivery
        raise OrderNotFound(f"no order {order_id}")


async def _nothing(connection: asyncpg.Connection) -> None:
    return None
