"""The public vectors, a database with a whole log in it, and where what was counted is told."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest

from privity_database import migrate
from privity_postgres.testing import DatabaseUrls, MakeDatabase
from privity_transparency.verifier.database import verify_database
from privity_transparency.verifier.findings import Report
from privity_transparency.verifier.heads import Trust

from .made_log import TABLES, MadeLog, make_log

VECTORS = Path(__file__).resolve().parents[3].parent / "shared" / "vectors"
MIGRATIONS = (
    Path(__file__).resolve().parents[3]
    / "services/privacy-gateway/src/privacy_gateway/migrations/audit"
)
WHOLE = os.environ.get("PRIVITY_TAMPERING") == "whole"
"""The long form: every position, of a log of 10,000 records."""
RECORDS = 10_000 if WHOLE else 1_200
FIGURES: list[str] = []


@pytest.fixture(scope="session")
def vectors() -> Path:
    if not VECTORS.is_dir():
        pytest.skip("the public vectors are not here (../shared/vectors)")
    return VECTORS


@pytest.fixture
def record_figures() -> Callable[[str], None]:
    """For what was counted or measured on the way; told at the end of the run."""
    return FIGURES.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in FIGURES:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def made() -> MadeLog:
    return make_log(RECORDS)


@pytest.fixture(scope="session")
async def urls(make_database: MakeDatabase, made: MadeLog) -> DatabaseUrls:
    """The made log in an audit database as the gateway has it, and a copy to restore it from."""
    urls = make_database("tampering", grants="insert_select", apart=("log",))
    await migrate(urls.owner, MIGRATIONS)
    connection = await asyncpg.connect(plain(urls.owner))
    await made.load(connection)
    await connection.execute("CREATE SCHEMA kept")
    for table in TABLES:
        await connection.execute(f"CREATE TABLE kept.{table} AS TABLE {table}")
    await connection.execute("ANALYZE")
    await connection.close()
    return urls


@pytest.fixture
async def owner(urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    """The tables' owner, who can do anything; afterwards everything is as it was."""
    connection = await asyncpg.connect(plain(urls.owner))
    yield connection
    await restore(connection)
    await connection.close()


async def restore(connection: asyncpg.Connection, *tables: str) -> None:
    """Some tables, or all."""
    async with connection.transaction():
        for table in tables or TABLES:
            names = ", ".join(TABLES[table].split())
            await connection.execute(f"DELETE FROM {table}")  # noqa: S608  # a table above
            await connection.execute(
                f"INSERT INTO {table} ({names}) SELECT {names} FROM kept.{table}"  # noqa: S608
            )


def plain(url: str) -> str:
    return url.replace("+asyncpg", "")


def trust_in(made: MadeLog, *, known: tuple[str, ...] = ()) -> Trust:
    """What somebody outside has: the keys, and perhaps a checkpoint that they kept."""
    return Trust(
        log_key=made.log.verifier,
        witness_keys=(made.witness.verifier,),
        quorum=1,
        identities=(made.identity,),
        known=known,
    )


async def verify(urls: DatabaseUrls, made: MadeLog, *, known: tuple[str, ...] = ()) -> Report:
    return await verify_database(urls.runtime, trust_in(made, known=known))
