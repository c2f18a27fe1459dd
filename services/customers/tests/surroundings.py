"""What stands around the service in its tests: real HTTP, no gateway."""

import asyncio
import contextlib
import hashlib
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import uvicorn
from pydantic import SecretStr

from customers.settings import Settings
from privity_contracts import BlindIndex, Sealed
from privity_contracts.ids import encode


class Sealing:
    """What the gateway does with a personal value, as far as a service can tell."""

    def __init__(self) -> None:
        self.plaintexts: dict[str, str] = {}
        self.generations: tuple[int, ...] = (0,)
        """Of the keys that count: two while one takes over from the other."""

    def seal(self, category: str, plaintext: str) -> str:
        body = secrets.token_urlsafe(28 + len(plaintext))
        token = Sealed(f"s1:key_{encode(os.urandom(16))}:{category}:{body}").token
        self.plaintexts[token] = plaintext
        return token

    def index(self, category: str, plaintext: str) -> str:
        forms = []
        for number in self.generations:
            digest = hashlib.sha256(f"{number}|{category}|{plaintext}".encode()).hexdigest()
            forms.append(f"b1:{number}:{digest[:32]}")
        return BlindIndex(",".join(forms)).text


class Process:
    """The service in a process of its own, with nothing in its environment but its settings."""

    def __init__(self, settings: Settings, socket: Path, log: Path) -> None:
        self.socket = socket
        self.log = log
        self.door: Any = None
        self._environment = {
            f"CUSTOMERS_{name.upper()}": (
                value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            )
            for name, value in settings
        }
        self._running: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        options = "--factory --loop uvloop --http httptools --no-access-log --log-level debug"
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(  # noqa: ASYNC220  # milliseconds, in a test
                [
                    *(sys.executable, "-m", "uvicorn", "customers.main:create_app"),
                    *options.split(),
                    *("--timeout-keep-alive", "120", "--uds", str(self.socket)),
                ],
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        for _ in range(500):
            assert self._running.poll() is None, self.log.read_text()
            with contextlib.suppress(httpx.TransportError):
                if (await self.door.http.get("/healthz")).status_code == 200:
                    return
            await asyncio.sleep(0.02)
        raise AssertionError("the process does not answer")

    def stop(self, how: int) -> int | None:
        if self._running is None:
            return None
        self._running.send_signal(how)
        code = self._running.wait(timeout=20)
        self._running = None
        return code


@dataclass
class GatewayStandIn:
    """Takes letters and events over HTTP and remembers them, and says which policy is in force;
    `closed` is when it does none of this."""

    secret: str
    letters: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    attempts: list[dict[str, Any]] = field(default_factory=list)
    closed: bool = False
    policy: str = "2026-11-22"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        status, answer = self._status(scope, body), b""
        if status == 200:
            answer = orjson.dumps({"version": self.policy, "clauses": {}})
        await send({"type": "http.response.start", "status": status})
        await send({"type": "http.response.body", "body": answer})

    def _status(self, scope: Any, body: bytes) -> int:
        headers = dict(scope["headers"])
        if headers.get(b"authorization") != f"Bearer {self.secret}".encode():
            return 401
        if headers.get(b"privity-service") != b"customers":
            return 403
        match scope["method"], scope["path"]:
            case "GET", "/v1/policy":
                return 503 if self.closed else 200
            case "POST", "/v1/events":
                self.events.append(orjson.loads(body))
                return 202
            case "POST", "/v1/messages":
                return self._posted(orjson.loads(body))
        return 403

    def _posted(self, letter: dict[str, Any]) -> int:
        self.attempts.append(letter)
        if self.closed:
            return 503
        self.letters.append(letter)
        return 202


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # Ctrl-C belongs to pytest


@contextlib.asynccontextmanager
async def serving(app: Any, socket: Path, *, lifespan: str = "on") -> AsyncIterator[None]:
    config = uvicorn.Config(
        app,
        uds=str(socket),
        lifespan=lifespan,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=120,  # longer than a client keeps a connection it may use again
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done(), "the server did not start"
        await asyncio.sleep(0.01)
    yield
    server.should_exit = True
    await task
