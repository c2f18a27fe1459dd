"""Databases and roles: what each process may do to which database.

Every database has an owner, who migrates it, and a runtime role, which can only work with rows.
Safe to run at every start and from several starts at once. Works for a superuser and for a role
with CREATEDB and CREATEROLE, on PostgreSQL 15 and later.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from privity_postgres.urls import for_driver

if TYPE_CHECKING:
    import asyncpg

LOCK = 0x70726976
CONNECT_SECONDS = 10
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


class Grants(StrEnum):
    READ_WRITE = "read_write"
    INSERT_SELECT = "insert_select"

    @property
    def on_tables(self) -> str:
        if self is Grants.INSERT_SELECT:
            return "SELECT, INSERT"
        return "SELECT, INSERT, UPDATE, DELETE"


class UnsafeName(ValueError):
    """A database or role name that would need quoting has no place in the table."""


class ServerTooOld(Exception):
    """Older than PostgreSQL 15."""


class ServerUnusable(Exception):
    """The server cannot be reached, or not with the rights that are needed. Holds no password."""


@dataclass(frozen=True)
class DatabaseEntry:
    name: str
    owner: str
    runtime: str
    grants: Grants = Grants.READ_WRITE
    apart: tuple[str, ...] = ()
    """Endings of further roles' names. They may sign in; which tables they see, migrations say."""

    def __post_init__(self) -> None:
        for name in self.roles:
            if not NAME.fullmatch(name):
                raise UnsafeName(f"not a plain lower-case name: {name!r}")
        if not NAME.fullmatch(self.name):
            raise UnsafeName(f"not a plain lower-case name: {self.name!r}")

    @property
    def roles(self) -> tuple[str, ...]:
        return (self.owner, self.runtime, *map(self.role_apart, self.apart))

    def role_apart(self, ending: str) -> str:
        return f"{self.runtime}_{ending}"


async def bootstrap(
    admin_url: str, databases: Iterable[DatabaseEntry], *, passwords: Mapping[str, str]
) -> None:
    """Brings roles, databases and grants to what `databases` says; `passwords` is by role."""
    import asyncpg  # noqa: PLC0415 - the pytest plugin loads this module at every collection

    connection = await _connected(admin_url)
    try:
        if connection.get_server_version().major < 15:
            raise ServerTooOld("PostgreSQL 15 is the oldest that works here")
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        for entry in databases:
            for role in entry.roles:
                await _ensure_role(connection, role, passwords[role])
            await _ensure_membership(connection, entry.owner)
            await _ensure_database(connection, entry)
            await _ensure_grants(admin_url, entry)
            await _try_signing_in(admin_url, entry, passwords[entry.runtime])
    except asyncpg.InsufficientResourcesError as failure:
        raise ServerUnusable(f"the database server is short of room: {failure}") from failure
    except asyncpg.InsufficientPrivilegeError as failure:
        raise ServerUnusable(
            f"the database role needs CREATEDB and CREATEROLE, or to own what is there: {failure}"
        ) from failure
    finally:
        await connection.close()


async def drop(admin_url: str, entry: DatabaseEntry) -> None:
    """Takes the database and both roles away again, whoever is still connected."""
    connection = await _connected(admin_url)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        # Ending someone's connection takes membership in their role.
        await _ensure_membership(connection, entry.runtime)
        await connection.execute(f"DROP DATABASE IF EXISTS {entry.name} WITH (FORCE)")
        for role in reversed(entry.roles):
            await connection.execute(f"DROP ROLE IF EXISTS {role}")
    finally:
        await connection.close()


async def _connected(admin_url: str) -> asyncpg.Connection:
    import asyncpg  # noqa: PLC0415 - as above

    try:
        return await asyncpg.connect(for_driver(admin_url), timeout=CONNECT_SECONDS)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as failure:
        said = str(failure) or "no answer in time"
        raise ServerUnusable(f"the database server cannot be reached: {said}") from failure


async def _ensure_role(connection: asyncpg.Connection, role: str, password: str) -> None:
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
        await connection.execute(f"CREATE ROLE {role} LOGIN")
    # At every start, so that the secret files and the server cannot drift apart.
    await connection.execute(f"ALTER ROLE {role} LOGIN PASSWORD '{scram_verifier(password)}'")


async def _ensure_membership(connection: asyncpg.Connection, role: str) -> None:
    """Only a member of a role can act for it; a superuser is one without being asked."""
    if await connection.fetchval(
        "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
    ) or not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
        return
    # From 16 on, creating a role gives the right to grant it and not yet the right to become it.
    options = " WITH INHERIT TRUE, SET TRUE" if connection.get_server_version().major >= 16 else ""
    await connection.execute(f"GRANT {role} TO CURRENT_USER{options}")


async def _ensure_database(connection: asyncpg.Connection, entry: DatabaseEntry) -> None:
    exists = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", entry.name)
    if not exists:
        await connection.execute(
            f"CREATE DATABASE {entry.name} OWNER {entry.owner} ENCODING 'UTF8' TEMPLATE template0"
        )


async def _ensure_grants(admin_url: str, entry: DatabaseEntry) -> None:
    import asyncpg  # noqa: PLC0415 - as above

    connection = await asyncpg.connect(for_driver(admin_url, database=entry.name))
    tables = entry.grants.on_tables
    try:
        async with connection.transaction():
            for statement in (
                f"SET LOCAL ROLE {entry.owner}",
                f"REVOKE ALL ON DATABASE {entry.name} FROM PUBLIC",
                f"GRANT CONNECT ON DATABASE {entry.name} TO {entry.runtime}",
                "REVOKE ALL ON SCHEMA public FROM PUBLIC",
                f"GRANT USAGE ON SCHEMA public TO {entry.runtime}",
                # Revoked first: a table of databases that grants less than before takes effect.
                f"ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM {entry.runtime}",
                f"ALTER DEFAULT PRIVILEGES GRANT {tables} ON TABLES TO {entry.runtime}",
                f"ALTER DEFAULT PRIVILEGES GRANT USAGE, SELECT ON SEQUENCES TO {entry.runtime}",
                *(
                    statement
                    for role in map(entry.role_apart, entry.apart)
                    for statement in (
                        f"GRANT CONNECT ON DATABASE {entry.name} TO {role}",
                        f"GRANT USAGE ON SCHEMA public TO {role}",
                    )
                ),
            ):
                await connection.execute(statement)
    finally:
        await connection.close()


async def _try_signing_in(admin_url: str, entry: DatabaseEntry, password: str) -> None:
    """A server may ask roles for something else than a password, as Debian's does on its socket."""
    import asyncpg  # noqa: PLC0415 - as above

    url = for_driver(admin_url, database=entry.name, user=entry.runtime, password=password)
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    except asyncpg.InvalidAuthorizationSpecificationError as failure:
        raise ServerUnusable(
            f"roles cannot sign in with their passwords there: {failure}; see its pg_hba.conf"
        ) from failure
    await connection.close()


def scram_verifier(password: str, *, salt: bytes | None = None, iterations: int = 4096) -> str:
    """What PostgreSQL stores; sent instead of the password, which then reaches no server log."""
    salt = salt or secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    parts = [base64.b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${iterations}:{parts[0]}${parts[1]}:{parts[2]}"
