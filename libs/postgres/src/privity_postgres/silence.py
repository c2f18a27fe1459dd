"""A way to a server that can fall silent, for tests: as when the server's host loses its power.

Nothing is closed then and nothing is refused; what is sent is not answered, and a new connection is
taken and not answered either.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit


class Way:
    """`url` leads over it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        host = query.pop("host", None) or parts.hostname or "127.0.0.1"
        self._there = (host, int(query.pop("port", None) or parts.port or 5432))
        self._parts = parts._replace(query=urlencode(query))
        self._open = asyncio.Event()
        self._open.set()
        self._carrying: set[asyncio.Task[None]] = set()
        self._ends: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None
        self.url = ""

    def fall_silent(self) -> None:
        self._open.clear()

    def speak_again(self) -> None:
        self._open.set()

    def hang_up(self) -> None:
        """For good: what is connected is closed, and nobody listens any more."""
        if self._server is not None:
            self._server.close()
        for end in self._ends:
            end.close()

    @contextlib.asynccontextmanager
    async def standing(self) -> AsyncIterator[Way]:
        server = self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        who = self._parts.netloc.rpartition("@")[0]
        port = server.sockets[0].getsockname()[1]
        self.url = urlunsplit(self._parts._replace(netloc=f"{who}@127.0.0.1:{port}"))
        try:
            yield self
        finally:
            self.hang_up()
            for task in self._carrying:
                task.cancel()
            await asyncio.gather(*self._carrying, return_exceptions=True)

    async def _connect(self, here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        host, port = self._there
        if host.startswith("/"):
            there, on = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            there, on = await asyncio.open_connection(host, port)
        self._ends += [on, back]
        for said, to in ((here, on), (there, back)):
            task = asyncio.create_task(self._carry(said, to))
            self._carrying.add(task)
            task.add_done_callback(self._carrying.discard)

    async def _carry(self, said: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                part = await said.read(65536)
                await self._open.wait()
                if not part:
                    break
                to.write(part)
                await to.drain()
        to.close()
