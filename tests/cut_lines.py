"""A way to a database server that is cut again and again in the middle of what the server says."""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path

from sqlalchemy.engine import URL, make_url

Connecting = Callable[[], Coroutine[None, None, tuple[asyncio.StreamReader, asyncio.StreamWriter]]]

_SOCKET = ".s.PGSQL.5432"
_READY = b"Z\0\0\0\5"
"""ReadyForQuery, but for the state of the transaction: nobody is asking anything just now."""
_FIELDS = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0"
_LAST_WORDS = b"E" + (len(_FIELDS) + 4).to_bytes(4, "big") + _FIELDS
"""As a server says them that was told to end this connection (admin_shutdown)."""


class CutLines:
    """Each connection is good for so many bytes of answers, then it ends without a word."""

    def __init__(
        self, folder: Path, connect: Connecting, chance: random.Random, longest: int
    ) -> None:
        self._folder = folder
        self._connect = connect
        self._chance = chance
        self._longest = longest
        self._open: set[asyncio.Task[None]] = set()
        self.mended = False
        """From when on nothing is cut any more."""
        self.cuts = 0
        """In the middle of an answer."""
        self.farewells = 0
        """While nobody asked, with the server's last words a moment before the end."""

    def url(self, url: str) -> str:
        """The same database by this way."""
        parsed = make_url(url)._replace(host=None, port=None)
        query = dict(parsed.query) | {"host": str(self._folder)}
        return parsed.set(query=query).render_as_string(hide_password=False)

    @contextlib.asynccontextmanager
    async def standing(self) -> AsyncIterator[CutLines]:
        server = await asyncio.start_unix_server(self._accept, self._folder / _SOCKET)
        try:
            yield self
        finally:
            server.close()
            for task in list(self._open):
                task.cancel()

    async def _accept(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, forth = await self._connect()
        asking = asyncio.create_task(_carry(near, forth))
        answering = asyncio.create_task(self._carry_a_while(far, back))
        self._open |= {asking, answering}
        try:
            await asyncio.wait({asking, answering}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (asking, answering):
                task.cancel()
                self._open.discard(task)
            back.transport.abort()
            forth.transport.abort()

    async def _carry_a_while(self, far: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        left = self._chance.randrange(self._longest)
        while content := await far.read(1 << 16):
            if left > len(content) or self.mended:
                left -= len(content)
                back.write(content)
            elif self._chance.random() < 0.5 or content[-6:-1] != _READY:
                back.write(content[:left])
                await back.drain()
                self.cuts += 1
                return
            else:
                back.write(content + _LAST_WORDS)
                self.farewells += 1
                await asyncio.sleep(self._chance.uniform(0, 0.05))
                return


async def _carry(near: asyncio.StreamReader, forth: asyncio.StreamWriter) -> None:
    while content := await near.read(1 << 16):
        forth.write(content)


def _way_to(url: URL) -> Connecting:
    host = url.query.get("host")
    if isinstance(host, str):
        return lambda: asyncio.open_unix_connection(str(Path(host) / _SOCKET))
    return lambda: asyncio.open_connection(url.host, url.port or 5432)


@contextlib.asynccontextmanager
async def cut_lines(url: str, *, longest: int = 40_000, seed: int = 1) -> AsyncIterator[CutLines]:
    """Before the server that `url` names, by its socket or by its port."""
    with tempfile.TemporaryDirectory(prefix="privity-cut-") as folder:
        lines = CutLines(Path(folder), _way_to(make_url(url)), random.Random(seed), longest)
        async with lines.standing():
            yield lines
