"""A mail server that keeps what it is given in memory and shows it: `python -m standins.mail`."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Annotated, Any, Literal

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field

LARGEST = 1024 * 1024
REPLIES = {"try_later": "451 Not now", "refuse": "550 No such mailbox"}


class Behaviour(BaseModel):
    """`times`: for so many messages, then it behaves again; absent: until told otherwise.

    Real servers quote in their refusals what they were given; so do the modes that echo.
    """

    model_config = ConfigDict(extra="forbid")

    mode: Literal["ok", "try_later", "refuse", "refuse_echoing", "try_later_echoing"] = "ok"
    times: Annotated[int, Field(ge=1)] | None = None


@dataclass  # without slots: aiosmtpd looks at every member there is
class Post:
    messages: list[dict[str, Any]] = field(default_factory=list)
    behaviour: Behaviour = field(default_factory=Behaviour)

    # aiosmtpd calls them by these names.
    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.behaviour.mode == "refuse_echoing":
            return f"550 5.1.1 <{address}>: nobody here is called {address}"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        now = self.behaviour
        if now.times is not None:
            left = now.times - 1
            self.behaviour = now.model_copy(update={"times": left}) if left else Behaviour()
        if now.mode == "try_later_echoing":
            said = (envelope.content or b"")[-200:]
            text = said if isinstance(said, str) else said.decode(errors="replace")
            return f"451 4.7.1 {envelope.rcpt_tos} later: {' '.join(text.split())}"
        if now.mode != "ok":
            return REPLIES[now.mode]
        self.messages.append(_readable(envelope))
        return "250 OK"


def _readable(envelope: Envelope) -> dict[str, Any]:
    content = envelope.content or b""
    raw = content.encode() if isinstance(content, str) else content
    message = message_from_bytes(raw, policy=policy.default)
    text = message.get_body(("plain",)) if isinstance(message, EmailMessage) else None
    return {
        "from": envelope.mail_from,
        "to": envelope.rcpt_tos,
        "subject": str(message["subject"] or ""),
        "message_id": str(message["message-id"] or ""),
        "text": text.get_content() if text is not None else "",
    }


def create_app(*, smtp_host: str = "127.0.0.1", smtp_port: int = 8025) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        post = Post()
        app.state.post = post

        def session() -> SMTP:
            return SMTP(post, hostname="mail.test", data_size_limit=LARGEST, enable_SMTPUTF8=True)

        loop = asyncio.get_running_loop()
        server = await loop.create_server(session, smtp_host, smtp_port)
        app.state.smtp_port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()

    app = FastAPI(title="A mail server", lifespan=lifespan, docs_url=None, redoc_url=None)

    @app.get("/healthz")
    async def health(request: Request) -> dict[str, Any]:
        return {"status": "ok", "smtp_port": request.app.state.smtp_port}

    @app.get("/messages")
    async def messages(request: Request, to: str | None = None) -> dict[str, Any]:
        kept = request.app.state.post.messages
        return {"messages": [m for m in kept if to is None or to in m["to"]]}

    @app.delete("/messages", status_code=204)
    async def forget(request: Request) -> None:
        request.app.state.post.messages.clear()

    @app.put("/behaviour")
    async def behave(request: Request, behaviour: Behaviour) -> Behaviour:
        request.app.state.post.behaviour = behaviour
        return behaviour

    return app


def main() -> None:
    arguments = argparse.ArgumentParser(description="A mail server, as its own process.")
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--smtp-port", type=int, default=8025)
    arguments.add_argument("--http-port", type=int, default=8026)
    chosen = arguments.parse_args()
    uvicorn.run(
        create_app(smtp_host=chosen.host, smtp_port=chosen.smtp_port),
        host=chosen.host,
        port=chosen.http_port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
