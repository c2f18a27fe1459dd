"""Twelve leaks as programs make them, each with a value of its own, put where such leaks lie."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

import asyncpg

from privity_deploy.stack import Stack
from privity_postgres import for_driver

from .canaries import KINDS

Plant = Callable[[Stack, str], None]


@dataclass(frozen=True, slots=True)
class Leak:
    """`where` is a part of the path and `spelling` of the name under which it has to be found."""

    what: str
    kind: str
    where: str
    spelling: str
    plant: Plant


def _line(process: str, text: Callable[[str], str]) -> Plant:
    def plant(stack: Stack, value: str) -> None:
        with stack.places.log(process).open("ab") as log:
            log.write(text(value).encode() + b"\n")

    return plant


def _file(name: str, content: Callable[[str], bytes]) -> Plant:
    def plant(stack: Stack, value: str) -> None:
        (stack.places.run_dir / name).write_bytes(content(value))

    return plant


def _row(database: str, *statements: str) -> Plant:
    """Statements with the value as their parameter where they have one."""

    def plant(stack: Stack, value: str) -> None:
        async def run() -> None:
            url = for_driver(stack.places.admin_url, database=stack.places.databases[database].name)
            connection = await asyncpg.connect(url)
            try:
                for statement in statements:
                    await connection.execute(statement, *([value] if "$1" in statement else []))
            finally:
                await connection.close()

        asyncio.run(run())

    return plant


def _sha256(value: str) -> str:
    return hashlib.sha256(value.lower().encode()).hexdigest()


def _base64(value: str, offset: int) -> str:
    return base64.b64encode(b"\0" * offset + value.encode() + b"\0").decode()


# Rows that are deleted before they reach a table's file: only the WAL still has them.
_WAL_ONLY = (
    "CREATE TABLE leaked_and_gone (leak text)",
    # Several times: where a page of the log ends, a value is cut in two.
    "INSERT INTO leaked_and_gone SELECT $1::text FROM generate_series(1, 5)",
    "DELETE FROM leaked_and_gone",
    "DROP TABLE leaked_and_gone",
)
_JOB = (
    "CREATE TABLE leaked_jobs AS SELECT jsonb_build_object('to', $1::text) AS payload",
    "CHECKPOINT",
)
_COLUMN = ("CREATE TABLE leaked_column AS SELECT $1::text AS note", "CHECKPOINT")
_LONG = ("CREATE TABLE leaked_long AS SELECT repeat(' ', 5000) || $1::text AS note", "CHECKPOINT")

LEAKS = (
    Leak("a log line", "name", "customers.log", "plain",
         _line("customers", lambda v: f'{{"event": "signed in", "who": "{v}"}}')),
    Leak("the text of an exception", "street", "orders.log", "Python",
         _line("orders", lambda v: f"ValueError: {v!a}")),
    Leak("an access log's address", "text", "privacy-gateway.log", "URL",
         _line("privacy-gateway", lambda v: f"GET /v1/customers?q={quote(v)} 200")),
    Leak("a column", "phone", "privity_orders.public.leaked_column", "plain",
         _row("privity_orders", *_COLUMN)),
    Leak("a job's argument", "email", "privity_customers.public.leaked_jobs", "plain",
         _row("privity_customers", *_JOB)),
    Leak("a long value, compressed by the database", "name", "privity_orders.public.leaked_long",
         "plain", _row("privity_orders", *_LONG)),
    Leak("a row deleted at once", "email", "pg_wal", "plain", _row("privity_orders", *_WAL_ONLY)),
    Leak("UTF-16 in a temporary file", "city", "tmp-report.csv", "UTF-16 LE",
         _file("tmp-report.csv", lambda v: v.encode("utf-16"))),
    Leak("base64 after one byte", "text", "trace-1.bin", "base64 +1",
         _file("trace-1.bin", lambda v: _base64(v, 1).encode())),
    Leak("base64 after two bytes, in JSON", "street", "trace-2.json", "base64 +2",
         _file("trace-2.json", lambda v: json.dumps({"b": _base64(v, 2)}).encode())),
    Leak("a hash without salt", "email", "metrics.prom", "sha256 hex",
         _file("metrics.prom", lambda v: f'logins{{who="{_sha256(v)}"}} 1\n'.encode())),
    Leak("a compressed dump in hex", "name", "dump.sql.gz", "gzip, hex",
         _file("dump.sql.gz", lambda v: gzip.compress(v.encode().hex().encode() * 3))),
)  # fmt: skip


def values() -> dict[str, str]:
    """One for each leak, by what leaks it."""
    return {leak.what: KINDS[leak.kind](900 + at) for at, leak in enumerate(LEAKS)}


@contextmanager
def planted(stack: Stack, leaking: Mapping[str, str]) -> Iterator[None]:
    try:
        for leak in LEAKS:
            leak.plant(stack, leaking[leak.what])
        yield
    finally:
        for name in (
            "tmp-report.csv",
            "trace-1.bin",
            "trace-2.json",
            "metrics.prom",
            "dump.sql.gz",
        ):
            (stack.places.run_dir / name).unlink(missing_ok=True)
        drop = "DROP TABLE IF EXISTS leaked_column, leaked_jobs, leaked_long, leaked_and_gone"
        for database in ("privity_orders", "privity_customers"):
            _row(database, drop)(stack, "")
