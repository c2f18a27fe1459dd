"""HTTP/1.1 to one service over connections that are kept: as little as forwarding needs.

A general client costs more than everything else that the gateway does for a read. This one sends
what it is given and reads one whole answer whose length is said; it follows nothing, decodes
nothing and keeps no cookie. llhttp reads the answers, as it reads the requests.
"""

import asyncio
import re
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import httptools
from multidict import CIMultiDict, CIMultiDictProxy

LONGEST_ANSWER = 8 * 1024 * 1024
LONGEST_HEAD = 64 * 1024
MOST_HEADERS = 100
IDLE_SECONDS = 60.0
"""Less than services keep a connection, so that they hang up on no request."""
# What may be sent again when a kept connection turns out to be closed: twice is the same as once.
REPEATABLE = frozenset({"GET", "PUT", "DELETE"})

_TARGET = re.compile(r"[!-~]+")
_Open = Callable[[Callable[[], "_Connection"]], Awaitable[tuple[Any, "_Connection"]]]


class ConnectionLost(Exception):
    """No whole answer came. `untouched`: not a byte of one did."""

    def __init__(self, why: str, *, untouched: bool = False) -> None:
        super().__init__(why)
        self.untouched = untouched


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


class Connections:
    """Those to one service; at most `limit` at once, and whoever comes then waits."""

    def __init__(self, opener: _Open, *, host: str, fixed: Mapping[str, str], limit: int) -> None:
        """`fixed` headers go with each request."""
        self._open = opener
        self._fixed = {"Host": host, **fixed}
        self._free = asyncio.Semaphore(limit)
        self._idle: deque[_Connection] = deque()

    @classmethod
    def to(
        cls,
        *,
        socket: Path | None,
        url: str | None,
        name: str,
        fixed: Mapping[str, str],
        limit: int = 200,
    ) -> "Connections":
        if socket is not None:

            def by_socket(make: Callable[[], "_Connection"]) -> Awaitable[Any]:
                loop = asyncio.get_running_loop()
                return loop.create_unix_connection(make, str(socket))

            return cls(by_socket, host=name, fixed=fixed, limit=limit)
        parts = urlsplit(url or f"http://{name}")
        secure = ssl.create_default_context() if parts.scheme == "https" else None
        port = parts.port or (443 if secure else 80)

        def by_network(make: Callable[[], "_Connection"]) -> Awaitable[Any]:
            loop = asyncio.get_running_loop()
            return loop.create_connection(make, parts.hostname or name, port, ssl=secure)

        return cls(by_network, host=parts.netloc, fixed=fixed, limit=limit)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().cut()

    async def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        """Raises ConnectionLost, OSError, and ValueError for what cannot be written as a head."""
        request = _request(method, target, {**self._fixed, **headers}, body)
        async with self._free:
            kept = self._kept()
            if kept is not None:
                try:
                    return await self._on(kept, request)
                except ConnectionLost as lost:
                    if not lost.untouched or method not in REPEATABLE:
                        raise
            _, connection = await self._open(_Connection)
            return await self._on(connection, request)

    def _kept(self) -> "_Connection | None":
        """The one that was used last; the others may rest until they are too old."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and now - connection.since < IDLE_SECONDS:
                return connection
            connection.cut()
        return None

    async def _on(self, connection: "_Connection", request: bytes) -> Answer:
        try:
            answer = await connection.exchange(request)
        except BaseException:
            connection.cut()  # cancelled too: what comes now would be the answer to nobody
            raise
        if connection.usable:
            connection.since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            connection.cut()
        return answer


def _request(method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    if _TARGET.fullmatch(target) is None:
        raise ValueError("not a request target")
    lines = [f"{method} {target} HTTP/1.1", *[f"{name}: {headers[name]}" for name in headers]]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    elif method in {"POST", "PUT", "PATCH"}:
        lines.append("Content-Length: 0")
    head = "\r\n".join(lines)
    # As many line ends as lines, or somebody wrote a header into a header.
    ends = len(lines) - 1
    if head.count("\r") != ends or head.count("\n") != ends or "\0" in head:
        raise ValueError("a line end in a header")
    return f"{head}\r\n\r\n".encode("latin-1") + (body or b"")


class _Connection(asyncio.Protocol):
    """One request at a time, and nothing between them."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiting: asyncio.Future[Answer] | None = None
        self._headers: list[tuple[str, str]] = []
        self._chunks: list[bytes] = []
        self._head = self._size = 0
        self._begun = self._headed = self._spoilt = False
        self.since = 0.0

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._spoilt and self._waiting is None

    def cut(self) -> None:
        self._spoilt = True
        if self._transport is not None:
            self._transport.abort()

    async def exchange(self, request: bytes) -> Answer:
        if self._transport is None or self._spoilt:
            raise ConnectionLost("closed", untouched=True)
        self._waiting = asyncio.get_running_loop().create_future()
        self._headers, self._chunks = [], []
        self._head = self._size = 0
        self._begun = self._headed = False
        self._transport.write(request)
        return await self._waiting

    # What the transport says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # a stream, as was asked for

    def data_received(self, data: bytes) -> None:
        if self._waiting is None:
            self.cut()  # an answer that nobody asked for
            return
        self._begun = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail("no HTTP")
        if not self._headed:
            # The parser keeps what it has of a header until its end comes.
            self._head += len(data)
            if self._head > LONGEST_HEAD:
                self._fail("a head without end")

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail("hung up", untouched=not self._begun)

    # What the parser says.

    def on_message_begin(self) -> None:
        if self._waiting is None:
            self._spoilt = True  # a second answer behind the first: nobody asked for it

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._headed:
            return  # behind the body: nothing that counts stands there
        if len(self._headers) == MOST_HEADERS or len(name) + len(value) > LONGEST_HEAD:
            self._fail("a head without end")
        self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self._headed = True

    def on_body(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > LONGEST_ANSWER:
            self._fail("an answer without end")
        else:
            self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200 or not self._parser.should_keep_alive():
            self._spoilt = True
        waiting, self._waiting = self._waiting, None
        if waiting is None or waiting.done():
            return
        if status < 200:
            waiting.set_exception(ConnectionLost("an answer that is none yet"))
            return
        headers = CIMultiDictProxy(CIMultiDict(self._headers))
        waiting.set_result(Answer(status, headers, b"".join(self._chunks)))

    def _fail(self, why: str, *, untouched: bool = False) -> None:
        self._spoilt = True
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(ConnectionLost(why, untouched=untouched))
        if self._transport is not None:
            self._transport.abort()
