"""A store that a test may stop, slow down or fill."""

import asyncio
import contextlib
from pathlib import Path

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

import privacy_gateway
from privacy_gateway.api import (
    accesses,
    alerts,
    audit,
    audit_exports,
    audit_statistics,
    audit_stream,
)
from privacy_gateway.clients.line import for_driver
from privacy_gateway.domain.audit.log import AuditLog, StoreUnavailable
from privacy_gateway.domain.audit.query import Records
from privacy_gateway.domain.audit.stream import Streams
from privacy_gateway.domain.audit.tail import Tail
from privacy_gateway.domain.policy.in_force import PolicyInForce
from privity_contracts import ids
from privity_database import migrate
from privity_rest import problems

from .callers import Arriving

POSTED = ("/searches", "/objection", "/statistics", "/streams", "/exports", "/acknowledgement")
POLICY = Path(__file__).parents[2] / "policy" / "2026-11-22.yaml"
MIGRATIONS = Path(privacy_gateway.__file__).parent / "migrations"


class Store:
    """A database of records of its own, seen with the eyes of its owner and of the server's."""

    def __init__(self, urls, owner, admin):
        self.urls, self.owner, self.admin = urls, owner, admin

    async def stop(self):
        await self.admin.execute(f"ALTER DATABASE {self.urls.name} ALLOW_CONNECTIONS false")
        await self.cut_everyone_off()

    async def start(self):
        await self.admin.execute(f"ALTER DATABASE {self.urls.name} ALLOW_CONNECTIONS true")

    async def cut_everyone_off(self):
        await self.admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1",
            self.urls.name,
        )

    @contextlib.asynccontextmanager
    async def locked(self):
        async with self.owner.transaction():
            await self.owner.execute("LOCK TABLE records IN ACCESS EXCLUSIVE MODE")
            yield

    @contextlib.asynccontextmanager
    async def on_every_insert(self, body):
        await self.owner.execute(
            "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$BEGIN {body}; RETURN NEW; END$$"
        )
        await self.owner.execute(
            "CREATE TRIGGER fault BEFORE INSERT ON records FOR EACH ROW EXECUTE FUNCTION fault()"
        )
        try:
            yield
        finally:
            await self.owner.execute("DROP TRIGGER fault ON records; DROP FUNCTION fault()")

    async def leaves(self):
        rows = await self.owner.fetch("SELECT id, leaf FROM records")
        return {row["id"]: row["leaf"] for row in rows}


@pytest.fixture(scope="package")
def faulty_database(make_database):
    urls = make_database("records", grants="insert_select", apart=("log",))
    asyncio.run(migrate(urls.owner, MIGRATIONS / "audit"))
    return urls


@pytest.fixture
async def store(faulty_database):
    urls = faulty_database
    admin = await asyncpg.connect(for_driver(urls.admin).replace(urls.name, "postgres"))
    owner = await asyncpg.connect(for_driver(urls.owner))
    await owner.execute("TRUNCATE records, openings, processes, batches")
    yield Store(urls, owner, admin)
    await admin.execute(f"ALTER DATABASE {urls.name} ALLOW_CONNECTIONS true")
    await admin.execute(f"ALTER ROLE {urls.name} RESET ALL")
    await owner.close()
    await admin.close()


@pytest.fixture
async def new_process(store, vault, new_chain):
    """Makes the audit log of one more gateway process on the store."""
    opened = []

    async def make(*, spool=None, **changes):
        made = AuditLog(store.urls.runtime, vault, new_chain(spool), **changes)
        await made.start()
        opened.append(made)
        return made

    yield make
    for each in opened:
        await each.close()


@pytest.fixture
async def records(audit_database, vault):
    opened = Records(audit_database.runtime, vault)
    yield opened
    opened.close()


@pytest.fixture
def until_it_records():
    """Waits for the log to work again by itself, and gives the receipts."""

    async def wait(log, accesses, *, seconds=5):
        async with asyncio.timeout(seconds):
            while True:
                try:
                    return await log.record(accesses)
                except StoreUnavailable:
                    await asyncio.sleep(0.02)

    return wait


@pytest.fixture
def auditor():
    return ids.mint("stf")


@pytest.fixture
def door(log, records, vault):
    app = FastAPI()
    problems.install(app)
    app.state.audit = log
    app.state.records = records
    app.state.vault = vault
    app.state.policies = PolicyInForce(POLICY.parent)
    app.state.streams = Streams(Tail(records))
    for each in (audit, audit_exports, audit_statistics, audit_stream, accesses, alerts):
        app.include_router(each.router)
    return Arriving(app)


@pytest.fixture
async def api(door, serve):
    port = await serve(door)

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

        async def ask(who, body=None, *, path="/v1/audit/searches", headers=None, **query):
            door.caller = who
            if path.endswith(POSTED) and (body is not None or not path.endswith("/exports")):
                return await client.post(path, json=body or {}, headers=headers)
            return await client.get(path, params=query)

        yield ask
