"""The audit store in trouble, and out of it again: stopped, slow, full, frozen."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from privity_deploy.stack import Stack
from privity_postgres import for_driver

DATABASE = "privity_audit"
_TRIGGER = """
CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {what}; RETURN NULL; END $$;
CREATE TRIGGER trouble BEFORE INSERT ON records FOR EACH STATEMENT EXECUTE FUNCTION trouble();
"""


class AuditStore:
    """The database where every access must be written down before data leaves."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._owner = for_driver(stack.places.owner_url(DATABASE))
        self._name = stack.places.databases[DATABASE].name

    @asynccontextmanager
    async def stopped(self) -> AsyncIterator[None]:
        """Whoever is connected is thrown out, and nobody gets in."""
        admin = await asyncpg.connect(self._stack.places.admin_url)
        try:
            await admin.execute(f'ALTER DATABASE "{self._name}" ALLOW_CONNECTIONS false')
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1",
                self._name,
            )
            yield
        finally:
            await admin.execute(f'ALTER DATABASE "{self._name}" ALLOW_CONNECTIONS true')
            await admin.close()

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Somebody holds the table: every insert waits."""
        owner = await asyncpg.connect(self._owner)
        try:
            async with owner.transaction():
                await owner.execute("LOCK TABLE records IN ACCESS EXCLUSIVE MODE")
                yield
        finally:
            await owner.close()

    @asynccontextmanager
    async def slow(self, *, seconds: float = 5) -> AsyncIterator[None]:
        """Every insert takes so long."""
        async with self._trigger(f"PERFORM pg_sleep({seconds})"):
            yield

    @asynccontextmanager
    async def full(self) -> AsyncIterator[None]:
        """As when the disk has no room left."""
        async with self._trigger("RAISE EXCEPTION 'no room' USING ERRCODE = '53100'"):
            yield

    @asynccontextmanager
    async def frozen(self) -> AsyncIterator[None]:
        """The whole server stands still, with every connection open: nothing is refused."""
        await asyncio.to_thread(self._stack.kill, "postgres", signal.SIGSTOP)
        try:
            yield
        finally:
            await asyncio.to_thread(self._stack.kill, "postgres", signal.SIGCONT)

    @asynccontextmanager
    async def _trigger(self, what: str) -> AsyncIterator[None]:
        owner = await asyncpg.connect(self._owner)
        try:
            await owner.execute(_TRIGGER.format(what=what))
            yield
        finally:
            await owner.execute("DROP FUNCTION IF EXISTS trouble CASCADE")
            await owner.close()
