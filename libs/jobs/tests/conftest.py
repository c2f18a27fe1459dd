"""A database with the jobs table, and workers to stop or to kill."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from privity_jobs import schema
from privity_postgres.silence import Way
from privity_postgres.testing import DatabaseUrls, MakeDatabase

Sessions = async_sessionmaker[AsyncSession]
Spawn = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture(scope="session")
async def database(make_database: MakeDatabase) -> DatabaseUrls:
    urls = make_database("jobs")
    engine = create_async_engine(urls.owner)

    def migrate(connection: Connection) -> None:
        operations = Operations(MigrationContext.configure(connection))
        schema.upgrade(operations)
        operations.execute(
            "CREATE TABLE runs (job bigint, pid int, started timestamptz, ended timestamptz)"
        )

    async with engine.begin() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()
    return urls


@pytest.fixture
async def urls(database: DatabaseUrls) -> DatabaseUrls:
    """Empty. One database for all tests: making one takes longer than most of them."""
    engine = create_async_engine(database.owner)
    async with engine.begin() as connection:
        await connection.execute(text("TRUNCATE jobs, runs"))
    await engine.dispose()
    return database


@pytest.fixture
async def engine(urls: DatabaseUrls) -> AsyncIterator[AsyncEngine]:
    """As the service's own role: it may not create a thing."""
    engine = create_async_engine(urls.runtime, pool_pre_ping=True)
    yield engine
    await engine.dispose()


@pytest.fixture
def sessions(engine: AsyncEngine) -> Sessions:
    return async_sessionmaker(engine, expire_on_commit=False)


@pytest.fixture
def spawn(urls: DatabaseUrls) -> Iterator[Spawn]:
    """Starts a worker of its own process; `lease` in seconds."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(lease: float = 2.0) -> "subprocess.Popen[bytes]":
        script = Path(__file__).with_name("worker_process.py")
        processes.append(subprocess.Popen([sys.executable, script, urls.runtime, str(lease)]))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def until(engine: AsyncEngine) -> Callable[..., object]:
    """Waits until a query answers as expected."""

    async def wait(query: str, expected: object, *, seconds: float = 30) -> None:
        answer: object = None
        async with asyncio.timeout(seconds), engine.connect() as connection:
            try:
                while True:
                    answer = (await connection.execute(text(query))).scalar()
                    await connection.rollback()
                    if answer == expected:
                        return
                    await asyncio.sleep(0.02)
            except asyncio.CancelledError:
                print(f"{query} answers {answer}, not {expected}")  # noqa: T201  # for the report
                raise

    return wait


@pytest.fixture
async def way(urls: DatabaseUrls) -> AsyncIterator[Way]:
    """To the database, until it falls silent."""
    async with Way(urls.runtime).standing() as standing:
        yield standing
