"""The world outside: a partner's receiver and a mail server. Each behaves, or does not."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP


@dataclass
class Received:
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Partner:
    """Receives webhooks. `answer` is what it says; the switches are how it misbehaves."""

    port: int = 0
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    hangs_up: bool = False
    silent: bool = False
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    under_way: int = 0
    most_under_way: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/privity"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.under_way -= 1
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.received.append(Received(head[0].split(" ")[1], headers, body))
        if self.silent:
            await reader.read()  # until the other side has had enough
            return
        if self.hangs_up:
            return
        if self.raw is not None:
            writer.write(self.raw)
        else:
            lines = [f"HTTP/1.1 {self.status} X", *(f"{n}: {v}" for n, v in self.headers.items())]
            writer.write("\r\n".join([*lines, "content-length: 0", "", ""]).encode())
        await writer.drain()


@pytest.fixture
async def start_partner() -> AsyncIterator[Callable[..., object]]:
    """`await start_partner(status=500, certificate=…)`: a receiver on a port of its own."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(*, certificate: ssl.SSLContext | None = None, **how: object) -> Partner:
            partner = Partner(**how)  # type: ignore[arg-type]  # fields of a stand-in
            server = await asyncio.start_server(partner.serve, "127.0.0.1", 0, ssl=certificate)
            stack.callback(server.close)
            partner.port = server.sockets[0].getsockname()[1]
            return partner

        yield start


class MailSink:
    """A mail server. `says` is what it answers to RCPT and to the message."""

    def __init__(self) -> None:
        self.port = 0
        self.rcpt = self.data = "250 OK"
        self.silent = False
        self.taken: list[tuple[str, list[str], EmailMessage]] = []

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.silent:
            await asyncio.sleep(60)
        if self.data.startswith("250"):
            parsed = message_from_bytes(envelope.content, policy=default)
            self.taken.append((envelope.mail_from, envelope.rcpt_tos, parsed))
        return self.data


@pytest.fixture
async def mail_sink() -> AsyncIterator[MailSink]:
    sink = MailSink()
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(sink, enable_SMTPUTF8=True, hostname="sink"), "127.0.0.1", 0
    )
    sink.port = server.sockets[0].getsockname()[1]
    yield sink
    server.close()
