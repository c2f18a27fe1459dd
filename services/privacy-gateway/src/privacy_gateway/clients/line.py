"""A line to one of the gateway's databases, with a deadline that is ours.

A statement that is late is not cancelled: a cancel can arrive while the commit waits for a standby
and turn it into a success that is none. The connection is cut instead, and whether the statement
took effect stays unknown.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import asyncpg
from sqlalchemy.engine import make_url

DURABLE = frozenset({"on", "remote_apply"})

_LOST = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the driver's word for a connection cut in mid-sentence
    asyncpg.PostgresConnectionError,
)

# The server's state and not the statement's fault: no connection, read-only, no resources,
# shutting down or cancelled, system error, corruption (PostgreSQL's classes of error codes).
SERVER_STATES = ("08", "25", "53", "57", "58", "XX")


class LineFailed(Exception):
    """The statement was not done, or nobody knows. `sqlstate` is the server's word for it."""

    sqlstate = ""


class Unanswered(LineFailed):
    """The connection was lost or cut under a statement, which may have taken effect or not."""


class Unreachable(LineFailed):
    """There is no connection; nothing was sent."""


class NotDurable(LineFailed):
    """A commit would be acknowledged before it is on disk."""


class Unable(LineFailed):
    """The server said that it cannot."""


class Line:
    """One connection, one statement at a time; after it broke it must be connected again."""

    def __init__(
        self,
        url: str,
        *,
        name: str,
        deadline_seconds: float,
        on_lost: Callable[[], None] = lambda: None,
        settings: Mapping[str, str] | None = None,
        listens: Mapping[str, Callable[[], None]] | None = None,
    ) -> None:
        """`listens`: what to call when a channel is notified; a notice may be lost with a line."""
        self._url = for_driver(url)
        self._on_lost = on_lost
        self._listens = listens or {}
        self._deadline = deadline_seconds
        self._settings = {
            "application_name": name,
            "jit": "off",
            # Only to end what we no longer wait for. It never strikes during a commit.
            "statement_timeout": str(int(deadline_seconds * 2000)),
            **(settings or {}),
        }
        self._connection: Any = None

    @property
    def connected(self) -> bool:
        return self._connection is not None and not self._connection.is_closed()

    async def connect(self) -> None:
        """Raises Unreachable, or NotDurable when the server would lose what it acknowledged."""
        self.cut()
        connection = None
        try:
            async with asyncio.timeout(self._deadline):
                connection = await asyncpg.connect(self._url, server_settings=self._settings)
                commit, fsync = await connection.fetchrow(
                    "SELECT current_setting('synchronous_commit'), current_setting('fsync')"
                )
                for channel, call in self._listens.items():
                    await connection.add_listener(channel, lambda *_, call=call: call())
        except (*_LOST, TimeoutError, asyncpg.PostgresError) as exc:
            if connection is not None:
                connection.terminate()
            raise Unreachable(type(exc).__name__) from None
        if commit not in DURABLE or fsync != "on":
            connection.terminate()
            raise NotDurable(f"synchronous_commit is {commit} and fsync is {fsync}")
        connection.add_termination_listener(self._lost)
        self._connection = connection

    def _lost(self, connection: object) -> None:
        self._on_lost()

    async def fetch(self, statement: str, *arguments: object) -> list[Any]:
        """The rows. Raises LineFailed; what is wrong with the statement itself rises as it is."""
        connection = self._connection
        if connection is None or connection.is_closed():
            raise Unreachable("not connected")
        running = asyncio.ensure_future(connection.fetch(statement, *arguments))
        try:
            await asyncio.wait({running}, timeout=self._deadline)
        except asyncio.CancelledError:
            await self._abandon(running)
            raise
        if not running.done():
            await self._abandon(running)
            raise Unanswered("no answer in time")
        try:
            return list(running.result())
        except _LOST as exc:
            self.cut()
            raise Unanswered(type(exc).__name__) from None
        except asyncpg.PostgresError as exc:
            if not str(exc.sqlstate).startswith(SERVER_STATES):
                raise
            failure = Unable(type(exc).__name__)
            failure.sqlstate = str(exc.sqlstate)
            raise failure from None

    async def _abandon(self, running: "asyncio.Future[Any]") -> None:
        self.cut()
        # However it ends now: a driver whose connection goes before it has begun has any error.
        await asyncio.wait({running})
        if not running.cancelled():
            running.exception()

    def cut(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


class Lines:
    """A few lines for statements that only read, so that a slow one does not hold up the rest."""

    def __init__(
        self,
        url: str,
        *,
        name: str,
        deadline_seconds: float,
        count: int,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._deadline = deadline_seconds
        self._all = [
            Line(url, name=name, deadline_seconds=deadline_seconds, settings=settings)
            for _ in range(count)
        ]
        self._idle: asyncio.LifoQueue[Line] = asyncio.LifoQueue()
        for line in self._all:
            self._idle.put_nowait(line)

    async def fetch(self, statement: str, *arguments: object) -> list[Any]:
        try:
            async with asyncio.timeout(self._deadline):
                line = await self._idle.get()
        except TimeoutError:
            raise Unreachable("every line is busy") from None
        try:
            if not line.connected:
                await line.connect()
            return await line.fetch(statement, *arguments)
        finally:
            self._idle.put_nowait(line)

    def cut(self) -> None:
        for line in self._all:
            line.cut()


def for_driver(url: str) -> str:
    """SQLAlchemy's URL as the driver reads it."""
    parsed = make_url(url)
    query = {("sslmode" if name == "ssl" else name): value for name, value in parsed.query.items()}
    return parsed.set(drivername="postgresql", query=query).render_as_string(hide_password=False)
