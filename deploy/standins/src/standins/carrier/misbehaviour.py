"""How the carrier can go wrong, on request, over a real socket."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import ASGIApp, Receive, Scope, Send

Mode = Literal[
    "ok",
    "slow",  # takes the delivery, answers after `seconds`
    "error_500",
    "gone_410",
    "error_500_echoing",  # and what it was given, readable, in body and headers
    "hang_up",  # closes the connection without having taken the delivery
    "hang_up_after_taking",  # and the shop cannot know
    "duplicate_callbacks",  # each tracking report is sent twice
    "redirect",
    "slow_body",  # answers at once, then a byte each second for `seconds`
    "big_answer",  # answers with 64 MiB
]
TAKES = {"ok", "slow", "hang_up_after_taking", "duplicate_callbacks", "slow_body", "big_answer"}
MEBIBYTE = b"x" * (1024 * 1024)


class Behaviour(BaseModel):
    """`times`: for so many webhooks, then it behaves again; absent: until told otherwise."""

    model_config = ConfigDict(extra="forbid")

    mode: Mode = "ok"
    seconds: Annotated[float, Field(ge=0, le=600)] = 5
    times: Annotated[int, Field(ge=1)] | None = None
    tracking: Literal["by_itself", "on_command"] = "by_itself"
    tracking_pause_seconds: Annotated[float, Field(ge=0, le=600)] = 2
    attestation: Literal["by_itself", "on_reminder", "never"] = "by_itself"


class SocketInReach:
    """Puts the connection into the scope, so that a route can hang up. Knows uvicorn's insides."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = getattr(getattr(send, "__self__", None), "transport", None)
        scope["standins.transport"] = transport
        await self._app(scope, receive, send)


async def answer(request: Request, behaviour: Behaviour, given: str = "") -> Response:
    """The answer to one webhook, after it was taken or not; `given` is what was in it."""
    match behaviour.mode:
        case "error_500_echoing":
            header = {"X-Error": quote(given)[:4000], "Retry-After": quote(given)[:4000]}
            return Response(f"cannot take {given}", status_code=500, headers=header)
        case "error_500" | "gone_410" as mode:
            return Response(status_code=int(mode[-3:]))
        case "redirect":
            return RedirectResponse("/misdirected", status_code=307)
        case "slow":
            await asyncio.sleep(behaviour.seconds)
        case "hang_up" | "hang_up_after_taking":
            request.scope["standins.transport"].abort()
        case "slow_body":
            return StreamingResponse(_drip(behaviour.seconds))
        case "big_answer":
            return StreamingResponse(_flood())
        case _:
            pass
    return Response(status_code=204)


async def _drip(seconds: float) -> AsyncIterator[bytes]:
    for _ in range(int(seconds)):
        yield b"."
        await asyncio.sleep(1)


async def _flood() -> AsyncIterator[bytes]:
    for _ in range(64):
        yield MEBIBYTE
