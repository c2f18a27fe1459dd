"""Migrations at start: a service brings its own database to the version that it was built for.

A folder of migrations holds `versions/` and an `env.py` of three lines:

    from orders.models import Base
    from privity_database.migrations import run
    run(Base.metadata)

Alembic is loaded where there is something to migrate: most starts find that there is nothing, and
need not take longer for it.
"""

from __future__ import annotations

import asyncio
import re
import threading
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

LOCK = 0x6D696772
VERSION_TABLE = "alembic_version"
_PARTITIONS = "SELECT relname FROM pg_class WHERE relispartition AND relkind IN ('r', 'p')"
"""They come and go with time; what they look like is their parent's doing."""

_REVISION = re.compile(r'^revision, down_revision = "(\w+)", (?:"(\w+)"|None)$', re.MULTILINE)
_one_at_a_time = threading.Lock()  # Alembic keeps the current environment in module globals


class NotStartedByMigrate(RuntimeError):
    """An env.py was run by something else, without a connection and without the lock."""


async def migrate(url: str, folder: Path, *, version_table: str = VERSION_TABLE) -> None:
    """Upgrades to the newest version; of several starts at once, the later find it done.

    Two folders on one database need a `version_table` each. `url` is the owner's: the role that a
    service works with cannot change tables.
    """

    if await _is_newest(url, folder, version_table):
        return

    def upgrade_alone() -> None:
        with _one_at_a_time:
            asyncio.run(_upgrade(url, folder, version_table))

    # In a thread, because migrations block, and Alembic itself is not asynchronous.
    await asyncio.to_thread(upgrade_alone)


def run(metadata: MetaData) -> None:
    """The body of every env.py."""
    from alembic import context  # noqa: PLC0415  # see above

    connection = context.config.attributes.get("connection")
    if connection is None:
        raise NotStartedByMigrate("migrations run through privity_database.migrate")
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=context.config.attributes["version_table"],
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def differences(url: str, metadata: MetaData) -> list[Any]:
    """What the tables would still need to be what the models say; empty when they agree."""
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415  # see above
    from alembic.migration import MigrationContext  # noqa: PLC0415

    engine = create_async_engine(url, poolclass=NullPool)

    def compare(connection: Connection) -> list[Any]:
        partitions = set(connection.scalars(text(_PARTITIONS)))

        def is_compared(item: object, name: str | None, kind: str, *_: object) -> bool:
            return kind != "table" or name not in partitions

        options = {"include_object": is_compared}
        return list(
            compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
        )

    try:
        async with engine.connect() as connection:
            return await connection.run_sync(compare)
    finally:
        await engine.dispose()


async def _is_newest(url: str, folder: Path, version_table: str) -> bool:
    """Whether the database is there already. Its version is committed with what it stands for."""
    newest = _newest(folder)
    if newest is None:
        return False
    engine = create_async_engine(url, poolclass=NullPool, hide_parameters=True)
    try:
        async with engine.connect() as connection:
            stored = await connection.scalars(text(f"SELECT version_num FROM {version_table}"))  # noqa: S608  # a name of ours
            return list(stored) == [newest]
    except ProgrammingError:  # there is no such table yet
        return False
    finally:
        await engine.dispose()


def _newest(folder: Path) -> str | None:
    """The version that none of the others follows; nothing when only Alembic can tell."""
    found = [_REVISION.search(path.read_text()) for path in (folder / "versions").glob("*.py")]
    known = [each.groups() for each in found if each is not None]
    heads = {revision for revision, _ in known} - {before for _, before in known}
    return heads.pop() if len(known) == len(found) and len(heads) == 1 else None


async def _upgrade(url: str, folder: Path, version_table: str) -> None:
    engine = create_async_engine(url, poolclass=NullPool, hide_parameters=True)
    try:
        # The lock has a connection of its own, so that migrations begin and commit as they like.
        async with engine.connect() as guard:
            await _lock(guard)
            async with engine.connect() as connection:
                await connection.run_sync(_run_alembic, folder, version_table)
                await connection.commit()
    finally:
        await engine.dispose()


async def _lock(guard: AsyncConnection) -> None:
    # Session-level: ends with the connection, however that ends. Autocommit, because an open
    # transaction would keep CREATE INDEX CONCURRENTLY waiting for ever.
    await guard.execution_options(isolation_level="AUTOCOMMIT")
    # And asking again instead of waiting inside a statement, whose snapshot it would wait for too.
    # ASYNC110 wants an event, and nothing in this process could set one.
    while not await guard.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": LOCK}):  # noqa: ASYNC110
        await asyncio.sleep(0.1)


def _run_alembic(connection: Connection, folder: Path, version_table: str) -> None:
    from alembic import command  # noqa: PLC0415  # see above
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["version_table"] = version_table
    command.upgrade(config, "head")
