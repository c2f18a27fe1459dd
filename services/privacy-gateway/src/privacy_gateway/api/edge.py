"""The outermost layer: what every request must be, and what every answer is.

Requests are held to limits before anything reads them. Every answer has the same protective
headers; every refusal and every bug becomes a problem document that holds no value; one log line a
request, with ids and the route's template, never the address.

What never becomes a whole head of a request is refused before it comes here: `wire.py`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

import orjson
import structlog

from privacy_gateway.api.arrival import (
    METHODS,
    SCOPE_KEY,
    Arrival,
    Limits,
    MethodNotAllowed,
    TooLarge,
    TooSlow,
    arrive,
    expects_body,
    read_head,
)
from privacy_gateway.api.cors import Cors
from privacy_gateway.api.deadlines import Deadline, Deadlines
from privity_rest import NotAllowed, Refusal, Unavailable, problems

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

FORM_PATHS = frozenset({"/v1/token", "/v1/token/revocation", "/v1/token/introspection"})
"""OAuth's endpoints: form-encoded requests, and errors in OAuth's own form."""

PROTECTION = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-site"),
    (b"x-frame-options", b"DENY"),
)

_DECIDED = frozenset({b"cache-control", b"content-security-policy", b"request-id"})
_PROBLEM = problems.MEDIA_TYPE.encode()
_KEPT_FROM_ERRORS = frozenset({b"allow", b"retry-after", b"www-authenticate"})
_log = structlog.get_logger("privity.requests")


class AnswerTooSlow(Unavailable):
    code, title = "answer_too_slow", "The answer took too long"


class _Gone(Exception):
    """The client hung up before its body was complete."""


class Edge:
    def __init__(
        self, app: Application, *, cors: Cors, https: bool, limits: Limits | None = None
    ) -> None:
        """`https`: whether the public address is; only then browsers are told to insist on it."""
        self._app = app
        self._cors = cors
        self._limits = limits or Limits()
        self.deadlines = Deadlines(self._limits.answer_seconds)
        self._protection: Headers = [*PROTECTION]
        if https:
            insist = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")
            self._protection.append(insist)
        self.decided = _DECIDED | cors.decided | {name for name, _ in self._protection}
        """The headers that nobody behind adds to an answer."""

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        begun = time.perf_counter()
        arrival = arrive(scope)
        scope[SCOPE_KEY] = arrival
        scope["privity.request_id"] = arrival.request_id
        answer = _Answer(self, scope, arrival, send)
        try:
            await self._admit(scope, arrival, receive, answer)
        except _Gone:
            return
        except Refusal as refusal:
            await answer.refuse(refusal)
        except Exception as exc:  # noqa: BLE001  # the outermost loop of a request
            await answer.problem(500, problems.bug(arrival.request_id, exc))
        _log_line(scope, arrival, answer.status, time.perf_counter() - begun)

    async def _admit(
        self, scope: dict[str, Any], arrival: Arrival, receive: Receive, answer: "_Answer"
    ) -> None:
        limits, method, form = self._limits, scope["method"], scope["path"] in FORM_PATHS
        read_head(arrival, scope, limits)
        if method == "OPTIONS" and b"access-control-request-method" in arrival.headers:
            await self._preflight(arrival, answer)
            return
        if method not in METHODS:
            raise MethodNotAllowed
        if expects_body(arrival, method, limits, form=form):
            arrival.body = await self._read_body(receive)
        answer.deadline = deadline = self.deadlines.begin()
        try:
            with deadline:
                await self._app(scope, _replayed(arrival.body, receive), answer.send)
        except TimeoutError:
            if not deadline.passed:
                raise
            raise AnswerTooSlow from None

    async def _preflight(self, arrival: Arrival, answer: "_Answer") -> None:
        if not self._cors.allows(arrival.headers.get(b"origin")):
            raise NotAllowed
        headers = self._cors.preflight_headers()
        await answer.send({"type": "http.response.start", "status": 204, "headers": headers})
        await answer.send({"type": "http.response.body", "body": b""})

    async def _read_body(self, receive: Receive) -> bytes:
        chunks, size = [], 0
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Gone
                    chunk = message.get("body", b"")
                    size += len(chunk)
                    if size > self._limits.body_bytes:
                        raise TooLarge
                    chunks.append(chunk)
                    if not message.get("more_body", False):
                        return b"".join(chunks)
        except TimeoutError:
            raise TooSlow from None

    def headers(self, scope: dict[str, Any], arrival: Arrival) -> Headers:
        """What every answer carries."""
        return [
            *self._protection,
            (b"cache-control", arrival.cache_control),
            (b"content-security-policy", arrival.content_security_policy),
            (b"request-id", arrival.request_id.encode()),
            *self._cors.headers(arrival.headers.get(b"origin")),
        ]


class _Answer:
    """The way out of one request: adds the headers, and turns bare errors into documents."""

    def __init__(self, edge: Edge, scope: dict[str, Any], arrival: Arrival, send: Send) -> None:
        self._edge = edge
        self._scope = scope
        self._arrival = arrival
        self._send = send
        self._replaced: Headers | None = None
        self.deadline: Deadline | None = None
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers: Headers = [(name.lower(), value) for name, value in message["headers"]]
            if self.status >= 400 and self._is_bare_error(headers):
                self._replaced = [pair for pair in headers if pair[0] in _KEPT_FROM_ERRORS]
                return
            message["headers"] = self._complete(headers)
        elif self._replaced is not None:
            if not message.get("more_body", False):
                await self._replace(self._replaced)
            return
        await self._send(message)
        if message.get("more_body") and self.deadline:
            # Long answers may take as long as they keep coming and the client keeps reading.
            self._edge.deadlines.extend(self.deadline)

    def _is_bare_error(self, headers: Headers) -> bool:
        if self._scope["path"] in FORM_PATHS:
            return False
        return not any(
            name == b"content-type" and value.startswith(_PROBLEM) for name, value in headers
        )

    async def _replace(self, headers: Headers) -> None:
        assert self.status is not None  # noqa: S101  # set when the answer started
        phrase = HTTPStatus(self.status).phrase
        code = phrase.lower().replace(" ", "_").replace("-", "_")
        body = problems.document(
            status=self.status,
            code="internal_error" if self.status == 500 else code,
            title=phrase,
            instance=self._arrival.request_id,
        )
        self._replaced = None
        status, self.status = self.status, None
        await self.problem(status, orjson.dumps(body), headers)

    async def refuse(self, refusal: Refusal) -> None:
        body = problems.document(
            status=refusal.status,
            code=refusal.code,
            title=refusal.title,
            detail=refusal.detail,
            instance=self._arrival.request_id,
            errors=refusal.errors,
        )
        headers: Headers = []
        if refusal.retry_after is not None or refusal.status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append((b"retry-after", str(refusal.retry_after or 1).encode()))
        if refusal.status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append((b"allow", b", ".join(sorted(m.encode() for m in METHODS))))
        if isinstance(refusal, TooLarge | TooSlow):
            headers.append((b"connection", b"close"))  # the rest of the body is not waited for
        await self.problem(refusal.status, orjson.dumps(body), headers)

    async def problem(self, status: int, body: bytes, headers: Headers | None = None) -> None:
        """Nothing can be said once the answer has begun: it stays incomplete, which shows."""
        if self.status is not None and self._replaced is None:
            return
        self.status, self._replaced = status, None
        described = [(b"content-type", _PROBLEM), (b"content-length", str(len(body)).encode())]
        start = self._complete([*described, *(headers or [])])
        await self._send({"type": "http.response.start", "status": status, "headers": start})
        await self._send({"type": "http.response.body", "body": body})

    def _complete(self, headers: Headers) -> Headers:
        ours = self._edge.headers(self._scope, self._arrival)
        if self.status == HTTPStatus.UNAUTHORIZED and not any(
            name == b"www-authenticate" for name, _ in headers
        ):
            ours.append((b"www-authenticate", b"Bearer"))
        return [pair for pair in headers if pair[0] not in self._edge.decided] + ours


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body that was read, and afterwards whatever the server has to say."""
    pending: list[bytes] = [body]

    async def replay() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return replay


def _log_line(scope: dict[str, Any], arrival: Arrival, status: int | None, took: float) -> None:
    route = arrival.route or getattr(scope.get("route"), "path", None)
    _log.info(
        "request",
        request_id=arrival.request_id,
        method=scope["method"] if scope["method"] in METHODS else "other",
        route=route or "none",
        status=status,
        milliseconds=round(took * 1000, 2),
        actor=arrival.actor,
        purpose=arrival.purpose,
    )
