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
    """`scratch` takes the copies of tables; whoever lends it removes it."""
    logs = Path(running.logs_dir)
    data = await _data_directory(running)
    if data is not None:
        return RawPlaces(files_below(logs, data), "files of heap, WAL and logs")
    for database in running.databases.values():
        await _copy_tables(
            for_driver(running.admin_url, database=database), f"{scratch}/{database}"
        )
    return RawPlaces(
        files_below(logs, scratch),
        "tables and logs (the server's own files are out of reach for us)",
    )


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
        tables = await connection.fetch(
            "SELECT schemaname, tablename FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        for schema, table in tables:
            await connection.copy_from_table(
                table, schema_name=schema, output=f"{start_of_name}.{schema}.{table}"
            )
    finally:
        await connection.close()
