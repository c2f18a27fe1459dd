"""A shop of small real processes, so that what is tested is the starting and not the services."""

import asyncio
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from privity_deploy.stack import Stack
from privity_postgres import PostgresServer, drop

SMALL_APP = """
import asyncio, gc, json, os, time

BEGAN = time.time()

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                print("ended", time.time(), flush=True)
                return
    status, body = 200, b"{}"
    if scope["path"] == "/healthz" and time.time() < BEGAN + float(os.environ.get("SLOW", "0")):
        status = 503
    if scope["path"] == "/healthz" and "NEEDS" in os.environ:
        try:
            _, line = await asyncio.open_unix_connection(os.environ["NEEDS"])
            line.close()
        except OSError:
            status = 503
    if scope["path"] == "/about":
        garbage = {"is_collected": gc.isenabled(), "never": gc.get_freeze_count()}
        told = {"began": BEGAN, "env": dict(os.environ), "pid": os.getpid(), "garbage": garbage}
        body = json.dumps(told).encode()
    if scope["path"] == "/die":
        print("dying words", flush=True)
        os._exit(3)
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body})
"""

PROCESSES = """
[secrets]
"to_shelf" = "random"
"gateway/token-signing.pem" = "es256"

[[process]]
name = "privacy-gateway"
command = [
    "{python}", "-m", "privity_deploy.serve", "small:app", "--port", "{port:privacy-gateway.http}",
]
ports.http = { number = 18080, variable = "PRIVITY_PORT" }
health = "/healthz"
waits_for = ["shelf"]
[process.env]
SHELF_URL = "{url:privacy-gateway}"
[process.env.SERVICES.shelf]
socket = "{socket:shelf}"
key_file = "{secret:to_shelf}"

[[process]]
name = "shelf"
command = ["{python}", "-m", "privity_deploy.serve", "small:app", "--uds", "{socket:shelf}"]
socket = "shelf.sock"
health = "/healthz"
waits_for = ["postgres"]
[process.env]
DATABASE = "{runtime_url:shelf}"
MIGRATION = "{owner_url:shelf}"
SLOW = "0.8"
"""

DATABASES = """
[[database]]
name = "shelf"
owner = "shelf_owner"
runtime = "shelf_runtime"
grants = "insert_select"
"""


def _write(root: Path, processes: str = PROCESSES) -> None:
    (root / "deploy").mkdir(exist_ok=True)
    (root / "deploy" / "processes.toml").write_text(processes)
    (root / "deploy" / "databases.toml").write_text(DATABASES)
    (root / "small.py").write_text(SMALL_APP)


@pytest.fixture(scope="session")
def small_processes():
    """The table, for tests that change a word in it."""
    return PROCESSES


@pytest.fixture(scope="session")
def write_tables():
    return _write


@pytest.fixture
def a_root():
    with _a_root() as root:
        yield root


@pytest.fixture(scope="module")
def a_lasting_root():
    with _a_root() as root:
        yield root


@contextmanager
def _a_root():
    """Not pytest's own folder: as root, the database's account must be able to pass through."""
    root = Path(tempfile.mkdtemp(prefix="privity-shop-"))
    root.chmod(0o755)
    _write(root)
    yield root
    if server := os.environ.get("DATABASE_URL"):
        for free_ports in (True, False):
            databases = Stack(root, free_ports=free_ports).places.databases
            asyncio.run(drop(server, databases["shelf"]))
    PostgresServer(root / ".privity" / "postgres").remove()
    shutil.rmtree(root)
