"""The stand-ins as they run: processes of their own, on real sockets."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

Start = Callable[..., httpx.Client]


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """Starts a module as a process and waits until it answers."""
    processes: list[subprocess.Popen[bytes]] = []
    clients: list[httpx.Client] = []

    def run(module: str, port: int, *arguments: str) -> httpx.Client:
        command = [sys.executable, "-m", module, *arguments]
        processes.append(subprocess.Popen(command))
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=5)
        clients.append(client)
        for _ in range(200):
            try:
                client.get("/healthz").raise_for_status()
                return client
            except httpx.HTTPError:
                time.sleep(0.05)
        raise TimeoutError(module)

    yield run
    for client in clients:
        client.close()
    for process in processes:
        process.terminate()
        process.wait()


@dataclass
class Shop:
    """Where tracking reports arrive."""

    url: str
    answers: list[int] = field(default_factory=list)
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.got]


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            there.got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(there.answers.pop(0) if there.answers else 202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    there = Shop(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield there
    server.shutdown()
    server.server_close()
