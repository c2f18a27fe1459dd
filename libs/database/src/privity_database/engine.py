"""A service's way to its own database, and what it means that the database cannot be reached."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from privity_rest.refusals import Unavailable

# The server's state, not the statement's fault: PostgreSQL's appendix of error codes.
SERVER_STATES = {
    "25006",  # read-only: a standby that has not been promoted
    "53100",  # disk full
    "53200",  # out of memory
    "53300",  # too many connections
    "57P01",  # shut down by its administrator
    "57P02",  # shutting down after a crash
    "57P03",  # not accepting connections yet
}

CLOSE_SECONDS = 1.0
LOST_SECONDS = 15
"""After that the kernel takes a host that says nothing for lost; by itself it waits for a quarter
of an hour, and for an answer that is due for ever."""


class DatabaseUnavailable(Unavailable):
    """Nobody's mistake in the request; the same request may be tried again."""

    code = "database_unavailable"


class Database:
    """An engine and its pool, for as long as the process lives."""

    def __init__(self, url: str, *, pool_size: int = 8, application_name: str = "privity") -> None:
        self.engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_pre_ping=False,  # costs every request a round trip; see _refuse_closed
            hide_parameters=True,  # errors must not quote the values of a row
            connect_args={
                "timeout": 5,
                "server_settings": {
                    "application_name": application_name,
                    "timezone": "UTC",
                    "jit": "off",  # our statements are short: compiling them costs more
                    "idle_in_transaction_session_timeout": "60s",
                },
            },
        )
        event.listen(self.engine.sync_engine, "checkout", _refuse_closed)
        event.listen(self.engine.sync_engine, "connect", _notice_a_lost_host)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Commits when the block ends, rolls back when it raises.

        Raises DatabaseUnavailable when the server cannot be reached, is full or goes away.
        """
        with _server_states():
            async with self._sessions() as session, session.begin():
                await self._reach(session)
                yield session

    @staticmethod
    async def _reach(session: AsyncSession) -> None:
        # Connecting here, and not at the first statement, tells a failure to connect (a plain
        # OSError) from one that the block itself raises.
        try:
            await session.connection()
        except (OSError, TimeoutError, PoolTimeout, DBAPIError) as failure:
            raise DatabaseUnavailable from failure

    async def dispose(self) -> None:
        """The driver takes leave of the server and waits until that hangs up, and a server whose
        host is gone never does."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.engine.dispose()


def _refuse_closed(connection: Any, record: object, proxy: object) -> None:
    """Has the pool replace a connection whose end was already seen, after the server's restart."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _notice_a_lost_host(connection: Any, record: object) -> None:
    # Not a deadline for statements: the driver would cancel, and a cancel turns a commit that waits
    # for its standby into a success that is none.
    line = connection.driver_connection._transport.get_extra_info("socket")  # no other way
    if line.family == socket.AF_UNIX:
        return
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):  # each system has some
            line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


_KEEPALIVE = {
    "TCP_KEEPIDLE": LOST_SECONDS // 3,
    "TCP_KEEPINTVL": LOST_SECONDS // 3,
    "TCP_KEEPCNT": 2,
    "TCP_USER_TIMEOUT": LOST_SECONDS * 1000,
}


@contextmanager
def _server_states() -> Iterator[None]:
    try:
        yield
    except DBAPIError as failure:
        state = getattr(failure.orig, "sqlstate", None)
        if failure.connection_invalidated or state in SERVER_STATES:
            raise DatabaseUnavailable from failure
        raise
