"""The shop's services with a bug in each: they ask nobody whose data it is, or who agreed to it.

Run as one process in their place, behind a gateway of its own. A file says how wrong they are.

`victim`   customers takes everyone for this person
`claims`   every answer says that the victim's rows are the caller's
`answers`  what is answered at a path, whatever was asked
`adds`     members that every object of every answer has besides its own
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from sqlalchemy import true

import customers.main
import logistics_adapter.main
import orders.main
from customers.domain import newsletter
from logistics_adapter.domain import access as shipment_access
from orders.domain import access as order_access

Send = Callable[[dict[str, Any]], Awaitable[None]]
FILE = "GONE_WRONG_FILE"


class Idle:
    """In place of the worker: the jobs are left to those who do their work."""

    def __init__(self, *args: object, **kwargs: object) -> None: ...

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *args: object) -> None: ...


def create_app() -> GoneWrong:
    order_access.reach = lambda caller: order_access.Reach()
    shipment_access.reach = lambda caller: true()
    newsletter.agreed = true
    for service in (customers.main, orders.main, logistics_adapter.main):
        service.Worker = Idle  # type: ignore[attr-defined]
    return GoneWrong(
        {
            "customers": customers.main.create_app(),
            "orders": orders.main.create_app(),
            "logistics-adapter": logistics_adapter.main.create_app(),
        }
    )


class GoneWrong:
    def __init__(self, services: dict[str, FastAPI]) -> None:
        self._services = services
        self._file = Path(os.environ[FILE])

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        headers = dict(scope["headers"])
        how = json.loads(self._file.read_text())
        if scope["path"] in how.get("answers", {}):
            await _answer(send, how["answers"][scope["path"]])
            return
        if how.get("says") and scope["path"] != "/healthz":
            await _say(receive, send, how["says"])
            return
        name = headers.get(b"host", b"").decode()
        victim = how.get("victim", "").encode()
        caller = headers.get(b"privity-subject", b"")
        if victim and name == "customers":
            scope = {**scope, "headers": _replaced(scope["headers"], victim)}
        if how.get("claims"):
            send = _claimed(send, victim, caller)
        service = self._services.get(name, self._services["orders"])
        if how.get("adds"):
            talkative = _Talkative(how["adds"], send)
            await service(scope, receive, talkative.hear)
            await talkative.say()
            return
        await service(scope, receive, send)

    async def _live(self, receive: Any, send: Send) -> None:
        await receive()
        async with self._all():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    @asynccontextmanager
    async def _all(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as running:
            for app in self._services.values():
                await running.enter_async_context(app.router.lifespan_context(app))
            yield


class _Talkative:
    """Says what it heard, with members added to each object."""

    def __init__(self, adds: dict[str, Any], send: Send) -> None:
        self._adds = adds
        self._send = send
        self._start: dict[str, Any] = {}
        self._body = b""

    async def hear(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        else:
            self._body += message.get("body", b"")

    async def say(self) -> None:
        body = json.dumps(self._more(json.loads(self._body))).encode() if self._body else b""
        kept = [(n, v) for n, v in self._start["headers"] if n.lower() != b"content-length"]
        await self._send(
            {**self._start, "headers": [*kept, (b"content-length", b"%d" % len(body))]}
        )
        await self._send({"type": "http.response.body", "body": body})

    def _more(self, node: Any) -> Any:
        if isinstance(node, dict):
            return {**self._adds, **{name: self._more(value) for name, value in node.items()}}
        return [self._more(entry) for entry in node] if isinstance(node, list) else node


def _replaced(headers: list[tuple[bytes, bytes]], victim: bytes) -> list[tuple[bytes, bytes]]:
    return [(n, victim if n == b"privity-subject" else value) for n, value in headers]


def _claimed(send: Send, victim: bytes, caller: bytes) -> Send:
    async def claimed(message: dict[str, Any]) -> None:
        # Both ids are as long as each other, so the length stays right.
        if "body" in message and victim and len(victim) == len(caller):
            message = {**message, "body": message["body"].replace(victim, caller)}
        await send(message)

    return claimed


async def _answer(send: Send, content: Any) -> None:
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _say(receive: Any, send: Send, what: dict[str, Any]) -> None:
    asked = (await receive()).get("body", b"").decode(errors="replace")
    await asyncio.sleep(what.get("seconds", 0))
    text = what["body"]
    body = text.replace("{asked}", json.dumps(asked)[1:-1]).encode()
    headers = {"content-type": "application/json", **what.get("headers", {})}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    pairs.append((b"content-length", b"%d" % len(body)))
    start = {"type": "http.response.start", "status": what.get("status", 200), "headers": pairs}
    await send(start)
    await send({"type": "http.response.body", "body": body})
