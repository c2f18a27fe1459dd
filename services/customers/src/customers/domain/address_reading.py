"""One address, read with as little as the reading needs.

This is the read that is asked for most often, so it goes to the driver directly: its statement is
prepared once per connection, and nothing is built that the answer does not hold.
"""

import asyncio
from types import TracebackType
from typing import Any, Self

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from customers.domain.address_book import AddressNotFound
from privity_database import DatabaseUnavailable

TIMEOUT_SECONDS = 5
_ONE = """
    SELECT id, account_id AS subject_id,
           recipient, phone, line1, line2, city, region, postal_code, country
    FROM addresses WHERE id = $1 AND account_id = $2
"""
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the driver's word for a connection cut in mid-sentence
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
)


class AddressReader:
    """Holds connections of its own, which only ever read one row at a time."""

    def __init__(self, engine: AsyncEngine, *, connections: int = 4) -> None:
        _, address = engine.dialect.create_connect_args(engine.url)
        self._pool = asyncpg.create_pool(
            **address,
            min_size=1,
            max_size=connections,
            max_inactive_connection_lifetime=0,
            timeout=TIMEOUT_SECONDS,
            reset=_leave_as_it_is,
            server_settings={"application_name": "customers-reads", "jit": "off"},
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
        self._pool.terminate()  # `close` waits for the server, which may be gone

    async def one(self, address_id: str, *, account_id: str) -> bytes:
        """The address as JSON. Raises AddressNotFound, also for someone else's."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                row = await self._pool.fetchrow(_ONE, address_id, account_id)
        except _AWAY as failure:
            raise DatabaseUnavailable from failure
        if row is None:
            raise AddressNotFound(f"no address {address_id}")
        return orjson.dumps(dict(row))


async def _leave_as_it_is(connection: Any) -> None:
    """The driver's own reset costs a round trip, and a lone SELECT leaves nothing to reset."""
