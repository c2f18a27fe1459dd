"""Dumps of the shop's databases with `pg_dump`, as a role that may log in to each."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import BinaryIO

import asyncpg

from privity_deploy.stack import Stack
from privity_postgres import for_driver

_RELATIONS = """
SELECT quote_ident(nspname) || '.' || quote_ident(relname), relkind = 'v',
       has_table_privilege(pg_class.oid, 'SELECT')
FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'p', 'v') AND nspname NOT IN ('pg_catalog', 'information_schema')
"""


def roles(stack: Stack) -> dict[str, str]:
    """The URL of each role that may log in to a database, by its part there."""
    found = {}
    for database, entry in stack.places.databases.items():
        found[f"{database} as the service"] = stack.places.runtime_url(database)
        found[f"{database} as the owner"] = stack.places.owner_url(database)
        for ending in entry.apart:
            found[f"{database} as {ending}"] = stack.places.url_apart(f"{database}.{ending}")
    return found


def dump(stack: Stack, url: str, to: Path) -> None:
    """All that this role may read: a dump of tables, and the rows of views that stand for them."""
    driver_url = for_driver(url)
    tables, views = asyncio.run(_readable(driver_url))
    if tables:
        command = [stack.postgres.bin_dir / "pg_dump", "--dbname", driver_url, "--file", to]
        subprocess.run([*command, *(f"--table={table}" for table in tables)], check=True)
    with to.open("ab") as file:
        asyncio.run(_copy(driver_url, views, file))


async def _readable(url: str) -> tuple[list[str], list[str]]:
    """Tables and views."""
    connection = await asyncpg.connect(url)
    try:
        found = await connection.fetch(_RELATIONS)
    finally:
        await connection.close()
    readable = [(str(name), view) for name, view, may in found if may]
    return [n for n, view in readable if not view], [n for n, view in readable if view]


async def _copy(url: str, views: list[str], to: BinaryIO) -> None:
    connection = await asyncpg.connect(url)
    try:
        for view in views:
            # A name as the catalogue quotes it.
            await connection.copy_from_query(f"SELECT * FROM {view}", output=to)  # noqa: S608
    finally:
        await connection.close()
