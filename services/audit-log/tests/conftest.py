"""A signer and a witness with files of their own, and a log to try them with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi import FastAPI

from privity_transparency import merkle, plans
from privity_transparency.checkpoint import Checkpoint
from privity_transparency.tiles import Growth, TileId

SECRET = "s" * 64
ORIGIN = "shop.example/audit"
WITNESS = "witness.example/w1"
VECTORS = Path(__file__).resolve().parents[3].parent / "shared" / "vectors"
FIGURES: list[str] = []


@pytest.fixture
def record_figures() -> Callable[[str], None]:
    """For what was counted on the way; told at the end of the run."""
    return FIGURES.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in FIGURES:
        terminalreporter.write_line(line)


def write_key(path: Path) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    path.touch(0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key


@asynccontextmanager
async def door_of(app: FastAPI, secret: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://log", headers=headers) as client,
    ):
        yield client


class ALog:
    """Leaves 0, 1, 2, … and what can be said about their trees."""

    def __init__(self, leaves: int = 400, *, salt: str = "") -> None:
        self.hashes = [merkle.leaf_hash(f"{salt}{n}".encode()) for n in range(leaves)]
        self.tiles: dict[TileId, bytes] = Growth().append(self.hashes)

    def checkpoint(self, size: int, origin: str = ORIGIN) -> Checkpoint:
        return Checkpoint(origin, size, merkle.root_of(self.hashes[:size]))

    def proof(self, size1: int, size2: int) -> tuple[bytes, ...]:
        if not 0 < size1 < size2:
            return ()
        return tuple(plans.resolve(plans.consistency(size1, size2), self.tiles))


class GrowingLog:
    """The same, with as many leaves as somebody asks about."""

    def __init__(self) -> None:
        self._growth = Growth()
        self._roots = [self._growth.root()]
        self._tiles: dict[TileId, bytes] = {}

    def checkpoint(self, size: int) -> Checkpoint:
        self._grow(size)
        return Checkpoint(ORIGIN, size, self._roots[size])

    def proof(self, size1: int, size2: int) -> tuple[bytes, ...]:
        self._grow(size2)
        if not 0 < size1 < size2:
            return ()
        return tuple(plans.resolve(plans.consistency(size1, size2), self._tiles))

    def _grow(self, size: int) -> None:
        while self._growth.size < size:
            leaf = merkle.leaf_hash(f"{self._growth.size}".encode())
            self._tiles.update(self._growth.append([leaf]))
            self._roots.append(self._growth.root())


@pytest.fixture(scope="session")
def a_log() -> ALog:
    return ALog()


@pytest.fixture(scope="session")
def a_fork() -> ALog:
    """The same 100 leaves, and then others."""
    fork = ALog()
    fork.hashes[100:] = ALog(salt="other ").hashes[100:]
    fork.tiles = Growth().append(fork.hashes)
    return fork
