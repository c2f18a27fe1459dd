"""What the server itself does otherwise than uvicorn: answers leave in one piece, and a head has
to be HTTP, of bearable size and in time.

uvicorn writes an answer's head and its body one after the other, and the event loop sends each
write at once: two system calls and two packets for an answer that would fit into one. It also
keeps the head of a request for as long as it comes, however slowly and however much, and answers
what is no HTTP in plain text. The edge sees none of that: it is asked when a head is complete.
"""

import asyncio
from typing import Any

import orjson
import structlog
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from privacy_gateway.api.arrival import HeadersTooLarge, TooSlow
from privacy_gateway.api.edge import PROTECTION
from privity_contracts import ids
from privity_rest import Malformed, Refusal, problems

HEAD_SECONDS = 10.0
HEAD_BYTES = 64 * 1024  # far beyond what the edge takes, which can say more kindly what is wrong
_log = structlog.get_logger("privity.wire")


class NotHttp(Malformed):
    code, title = "not_http", "What came is not a request in HTTP/1.1"


class HeadTooSlow(TooSlow):
    code, title = "head_too_slow", "The head of the request did not arrive in time"


class Wire(HttpToolsProtocol):
    """For uvicorn's `--http`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._begun = 0  # heads, so far
        self._in_head = False
        self._head_bytes = 0
        self._patience: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_there()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._begun += 1
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._patience is not None:
            self._head_is_there()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        begun = self._begun
        super().data_received(data)
        if not self._in_head and self._answering():
            return
        # The first part of a head is as large as the server reads at once, and no larger.
        if self._in_head and self._begun == begun:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(HeadersTooLarge())
        if self._patience is None and not self.transport.is_closing():
            self._await_head()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls for what it cannot read."""
        self._refuse(NotHttp())

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await_head(self) -> None:
        self._patience = self.loop.call_later(HEAD_SECONDS, self._out_of_patience)

    def _head_is_there(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _out_of_patience(self) -> None:
        self._patience = None
        if self._in_head:
            self._refuse(HeadTooSlow())
        elif not self._answering():  # nothing was asked: there is nothing to answer
            self.transport.close()

    def _refuse(self, refusal: Refusal) -> None:
        if self.transport.is_closing():
            return
        # Nothing can be said in the middle of another answer: it stays incomplete, which shows.
        if not (self._answering() and self.cycle.response_started):
            request_id = ids.mint("req")
            self.transport.write(_problem(refusal, request_id))
            _log.info("refused", request_id=request_id, status=refusal.status, code=refusal.code)
        self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.transport = _InOnePiece(self.transport, cycle)  # type: ignore[assignment]  # see there
        super()._start_asgi_task(cycle, app)


def _problem(refusal: Refusal, request_id: str) -> bytes:
    """An answer as the edge gives it; whether the public address has TLS is not known here."""
    body = orjson.dumps(
        problems.document(
            status=refusal.status, code=refusal.code, title=refusal.title, instance=request_id
        )
    )
    headers = [
        (b"content-type", problems.MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"request-id", request_id.encode()),
        (b"connection", b"close"),
        *PROTECTION,
    ]
    head = b"".join(b"%b: %b\r\n" % header for header in headers)
    return STATUS_LINE[refusal.status] + head + b"\r\n" + body


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
