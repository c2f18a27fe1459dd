"""A pytest plugin: one real PostgreSQL for the whole run, and fresh databases on it.

`-p privity_postgres.testing` loads it. Nothing heavy is imported before a test asks for a server.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from privity_postgres.bootstrap import DatabaseEntry, Grants, bootstrap, drop
from privity_postgres.urls import for_sqlalchemy

if TYPE_CHECKING:
    from privity_postgres.server import PostgresServer

PREFIX = "privity-test-"


@dataclass(frozen=True)
class ServerForTests:
    admin_url: str
    runner: PostgresServer | None
    """Nothing when DATABASE_URL names the server: its files are not ours."""


@dataclass(frozen=True)
class DatabaseUrls:
    """`postgresql+asyncpg://…` of one fresh database, per role."""

    name: str
    runtime: str
    owner: str
    admin: str
    apart: Mapping[str, str]
    """Of the further roles, by the endings of their names."""


class MakeDatabase(Protocol):
    def __call__(
        self, name: str, *, grants: str = ..., apart: tuple[str, ...] = ...
    ) -> DatabaseUrls: ...


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[ServerForTests]:
    if url := os.environ.get("DATABASE_URL"):
        yield ServerForTests(admin_url=url, runner=None)
        return
    from privity_postgres.server import PostgresServer  # noqa: PLC0415 - not before it is needed

    _remove_abandoned()
    home = Path(tempfile.mkdtemp(prefix=PREFIX))
    (home / "for.pid").write_text(str(os.getpid()))
    runner = PostgresServer(home)
    try:
        runner.start()
        yield ServerForTests(admin_url=runner.admin_url, runner=runner)
    finally:
        runner.remove()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def make_database(postgres_server: ServerForTests) -> Iterator[MakeDatabase]:
    """`make_database("orders")`: a database with roles of its own, dropped when the run ends."""
    admin_url = postgres_server.admin_url
    made: list[DatabaseEntry] = []

    def make(
        name: str, *, grants: str = Grants.READ_WRITE, apart: tuple[str, ...] = ()
    ) -> DatabaseUrls:
        unique = f"privity_test_{name}_{secrets.token_hex(4)}"
        entry = DatabaseEntry(
            name=unique,
            owner=f"{unique}_owner",
            runtime=unique,
            grants=Grants(grants),
            apart=apart,
        )
        passwords = {role: secrets.token_hex(16) for role in entry.roles}
        made.append(entry)
        _run_beside(partial(bootstrap, admin_url, [entry], passwords=passwords))

        def url(role: str) -> str:
            return for_sqlalchemy(admin_url, database=unique, user=role, password=passwords[role])

        return DatabaseUrls(
            name=unique,
            runtime=url(entry.runtime),
            owner=url(entry.owner),
            admin=for_sqlalchemy(admin_url, database=unique),
            apart={ending: url(entry.role_apart(ending)) for ending in apart},
        )

    yield make
    # A server of our own is thrown away whole.
    for entry in made if postgres_server.runner is None else ():
        _run_beside(partial(drop, admin_url, entry))


def _run_beside(start: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """On a loop of its own in a thread: the caller may be inside a running loop or not."""
    failures: list[BaseException] = []

    def body() -> None:
        try:
            asyncio.run(start())
        except BaseException as failure:  # noqa: BLE001 - raised again in the caller's thread
            failures.append(failure)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def _remove_abandoned() -> None:
    """Servers of test runs that were killed before they could clean up."""
    from privity_postgres.server import PostgresServer  # noqa: PLC0415 - not before it is needed

    for home in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            run = int((home / "for.pid").read_text())
            os.kill(run, 0)
        except ProcessLookupError:
            PostgresServer(home).remove()
        except (OSError, ValueError):
            continue  # another user's, or not yet filled in
