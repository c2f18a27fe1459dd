"""A service behind the gateway: what every one of them does with a request before its routes."""

import hmac
import os
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI

from privity_rest import logs, problems

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
HEALTH = "/healthz"


def read_secret(path: Path, *, shortest: int = 32) -> str:
    """The content of a secret's file. `shortest`: one that somebody else gave us may be shorter.

    Raises ValueError when it is shorter than that or open to others.
    """
    if path.stat().st_mode & 0o077:
        raise ValueError(f"{path.name}: others may read this secret; it must have mode 600")
    secret = path.read_text().strip()
    if len(secret) < shortest:
        raise ValueError(f"{path.name}: a secret has at least {shortest} characters")
    return secret


class GatewayOnly:
    """Lets requests through that carry the gateway's secret. Pure ASGI: it costs microseconds."""

    def __init__(self, app: Application, *, secret: str) -> None:
        self._app = app
        self._expected = f"Bearer {secret}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        presented, request_id = b"", None
        for name, value in scope["headers"]:
            if name == b"authorization":
                presented = value
            elif name == b"request-id":
                request_id = value.decode("latin-1")
        scope["privity.request_id"] = request_id
        if scope["path"] == HEALTH:
            await self._app(scope, receive, send)
        elif hmac.compare_digest(presented, self._expected):
            await self._guarded(scope, receive, send)
        else:
            body = problems.document(
                status=401, code="unauthenticated", title="Only the gateway may call this service"
            )
            await _send(send, 401, orjson.dumps(body))

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: MutableMapping[str, Any]) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as exc:  # noqa: BLE001  # the outermost loop of a request
            body = problems.bug(scope["privity.request_id"], exc)
            if not started:
                await _send(send, 500, body)


async def _send(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", problems.MEDIA_TYPE.encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def service(*, title: str, inbound_key_file: Path | None, lifespan: Lifespan) -> FastAPI:
    """An application with the house's manners; routers are added by the service's `main`.

    Without `inbound_key_file` (when only its OpenAPI document is wanted) it answers nobody.
    """
    logs.configure()
    app = FastAPI(
        title=title,
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,  # it would copy a hostile Host header into Location
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    problems.install(app)
    secret = read_secret(inbound_key_file) if inbound_key_file else os.urandom(32).hex()
    app.add_middleware(GatewayOnly, secret=secret)

    @app.get(HEALTH, include_in_schema=False)
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    return app
