"""Where a shop's data lies in bytes: files of the server if they can be read, else every table."""

import os
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from privity_deploy.presence import Running
from privity_deploy.raw_search import files_below
from privity_postgres import for_driver


@dataclass(frozen=True, slots=True)
class RawPlaces:
    """`words` say what is being searched."""

    files: list[Path]
    words: str


async def raw_places(running: Running, scratch: Path) -> RawPlaces:
    """`scratch` takes the copies of tables; whoever lends it removes it.

    Tables are copied out as well where the files can be read: long values lie compressed there.
    """
    # All that the shop has on this machine: logs, spools, secrets, and usually the server's home.
    folders = [scratch, Path(running.logs_dir).parents[1]]
    for database in running.databases.values():
        await _copy_tables(
            for_driver(running.admin_url, database=database), f"{scratch}/{database}"
        )
    await _copy_activity(running, scratch)
    data = await _data_directory(running)
    if data is None:
        words = "tables and logs (the server's own files are out of reach for us)"
        return RawPlaces(files_below(*folders), words)
    # The server's own log is beside the data of a server that we started.
    home = data.parent if running.postgres_data_dir else data
    if not home.is_relative_to(folders[-1]):
        folders.append(home)
    return RawPlaces(files_below(*folders), "files: heap, WAL, logs, spools, tables read out")


async def _copy_activity(running: Running, scratch: Path) -> None:
    """What the server shows of statements, to whoever may see everybody's."""
    connection = await asyncpg.connect(for_driver(running.admin_url))
    try:
        views = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relkind = 'v' AND relname = ANY($1)",
            ["pg_stat_activity", "pg_stat_statements", "pg_prepared_xacts", "pg_settings"],
        )
        for view in views:
            await connection.copy_from_query(
                f'SELECT * FROM "{view["relname"]}"',  # noqa: S608  # one of the names above
                output=scratch / view["relname"],
            )
    finally:
        await connection.close()


async def _data_directory(running: Running) -> Path | None:
    if running.postgres_data_dir is not None:
        return Path(running.postgres_data_dir)
    connection = await asyncpg.connect(for_driver(running.admin_url))
    try:
        told = await connection.fetchval("SELECT current_setting('data_directory', true)")
    finally:
        await connection.close()
    # Of a server on another machine the path says nothing here, or something else.
    here = Path(told or "/nowhere")
    return here if os.access(here / "base", os.R_OK | os.X_OK) and _is_local(running) else None


def _is_local(running: Running) -> bool:
    return any(host in running.admin_url for host in ("127.0.0.1", "localhost", "host=/", "[::1]"))


async def _copy_tables(url: str, start_of_name: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        # Of a partitioned table, its parts.
        tables = await connection.fetch(
            "SELECT nspname, relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE relkind IN ('r', 'm') AND nspname NOT IN ('pg_catalog', 'information_schema')"
            " AND nspname NOT LIKE 'pg_toast%'"
        )
        for schema, table in tables:
            await connection.copy_from_table(
                table, schema_name=schema, output=f"{start_of_name}.{schema}.{table}"
            )
    finally:
        await connection.close()
