"""How answers go onto the wire: head and body in one piece.

The server writes an answer's head and its body one after the other, and the event loop sends each
write at once: two system calls and two packets for an answer that would fit into one.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle


class Wire(HttpToolsProtocol):
    """For uvicorn's `--http`."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.transport = _InOnePiece(self.transport, cycle)  # type: ignore[assignment]  # see there
        super()._start_asgi_task(cycle, app)


class _InOnePiece:
    """What an answer uses of its transport. A head that announces a body waits for the body's
    first part; what has no length goes as it comes."""

    __slots__ = ("_cycle", "_head", "_transport")

    def __init__(self, transport: asyncio.Transport, cycle: RequestResponseCycle) -> None:
        self._transport = transport
        self._cycle = cycle
        self._head: bytes | None = None

    def write(self, content: bytes) -> None:
        cycle, head = self._cycle, self._head
        if head is None and cycle.response_started and cycle.chunked_encoding is False:
            self._head = content
            if cycle.scope["method"] != "HEAD":
                return
        elif head:
            self._head, content = b"", head + content
        self._transport.write(content)

    def close(self) -> None:
        """An answer that broke off shows as one: with its head, and without all of its body."""
        if self._head:
            self.write(b"")
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()
