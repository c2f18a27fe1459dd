"""The gateway's databases of keys and of records, real ones, one of each for the whole run."""

import asyncio
import contextlib
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
import uvicorn
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import privacy_gateway
from privacy_gateway.clients.line import for_driver
from privacy_gateway.clients.services import Services
from privacy_gateway.domain.audit.access import Access, FieldAccess
from privacy_gateway.domain.audit.chain import Chain
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.vault.data_keys import DataKeys
from privacy_gateway.domain.vault.destruction import Destruction
from privacy_gateway.domain.vault.kek import KeyFile
from privacy_gateway.domain.vault.process_key import ProcessKey
from privacy_gateway.domain.vault.vault import Vault
from privacy_gateway.settings import Endpoint
from privity_contracts import ids
from privity_database import migrate

MIGRATIONS = Path(privacy_gateway.__file__).parent / "migrations"


@pytest.fixture(scope="session")
def keys_database(make_database):
    urls = make_database("keys")
    asyncio.run(migrate(urls.owner, MIGRATIONS / "keys"))
    return urls


@pytest.fixture(scope="session")
def audit_database(make_database):
    urls = make_database("audit", grants="insert_select", apart=("log",))
    asyncio.run(migrate(urls.owner, MIGRATIONS / "audit"))
    return urls


@pytest.fixture(scope="session")
def gateway_database(make_database):
    urls = make_database("gateway")
    asyncio.run(migrate(urls.owner, MIGRATIONS / "gateway"))
    return urls


async def listening(app, stack):
    """An application behind a real socket, as in production; gives its port."""
    config = uvicorn.Config(
        app,
        port=0,
        loop="none",
        http="privacy_gateway.api.wire:Wire",
        ws="none",
        access_log=False,
        timeout_keep_alive=75,  # longer than clients keep a connection
        log_config=None,
        server_header=False,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    # What `serve` does, without its tenths of a second between looks at the clock.
    await server.startup()
    stack.push_async_callback(server.lifespan.shutdown)
    stack.push_async_callback(server.shutdown)
    server.force_exit = True
    return server.servers[0].sockets[0].getsockname()[1]


@pytest.fixture
async def serve():
    async with contextlib.AsyncExitStack() as stack:
        yield lambda app: listening(app, stack)


@pytest.fixture(scope="session")
def key_file(tmp_path_factory):
    return KeyFile.read_or_create(tmp_path_factory.mktemp("secrets") / "keks.json")


# Deadlines are tested where they are the point; elsewhere a busy machine is nobody's fault.
PATIENT = 20


@pytest.fixture(scope="session")
async def keys(keys_database, key_file):
    held = DataKeys(keys_database.runtime, key_file, deadline_seconds=PATIENT)
    await held.start()
    yield held
    await held.close()


@pytest.fixture(scope="session")
async def destruction(keys_database):
    held = Destruction(keys_database.runtime)
    yield held
    held.close()


@pytest.fixture(scope="session")
def destroy(destruction):
    """Of one place, by whoever does it."""

    async def by_place(place, *, now):
        return await destruction.destroy(**place._asdict(), now=now)

    return by_place


@pytest.fixture(scope="session")
def vault(keys):
    return Vault(keys, index_key=b"i" * 32, request_key=b"r" * 32)


@pytest.fixture(scope="session")
def audit_identity():
    """The key that vouches for gateway processes."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture(scope="session")
def new_chain(audit_identity, tmp_path_factory):
    """What one more gateway process signs with; with a spool of its own unless it is told one."""

    def make(spool=None):
        key = ProcessKey(audit_identity, now=datetime.now(UTC))
        return Chain(key, spool or tmp_path_factory.mktemp("spool"))

    return make


@pytest.fixture
async def log(audit_database, vault, new_chain):
    opened = AuditLog(audit_database.runtime, vault, new_chain(), deadline_seconds=PATIENT)
    await opened.start()
    yield opened
    await opened.close()


@pytest.fixture
async def as_owner(audit_database):
    """What somebody with the owner's password can do to the audit store."""
    connection = await asyncpg.connect(for_driver(audit_database.owner))
    yield connection
    await connection.close()


@pytest.fixture
def customer():
    return ids.mint("cus")


@pytest.fixture
def clerk():
    return ids.mint("stf")


@pytest.fixture
def reading(customer, clerk):
    """Makes the access of a support clerk who reads what belongs to the customer."""

    def make(*fields, **changes):
        described = {
            "kind": "read",
            "subject": customer,
            "actor": clerk,
            "actor_kind": "staff",
            "role": "support_1",
            "purpose": "enquiries",
            "clauses": ("C2.3",),
            "policy": "2026-11-22",
            "service": "customers",
            "scope": f"account/{customer}",
            "resource": customer,
            "decision": "allow",
            "fields": tuple(FieldAccess(*field) for field in fields)
            or (FieldAccess("/email", "user.contact.email", "reveal"),),
        } | changes
        return Access(**described)

    return make


class Behind:
    """Small services behind the gateway, on real sockets: they answer what they are told to."""

    def __init__(self, folder):
        self.folder = folder
        self.answers = {}
        self.revokes = {}
        self.asked = []

    def says(self, service, path, body=None, *, method="GET", status=200):
        self.answers[service, method, path] = (status, body)

    def endpoint(self, service):
        key = self.folder / f"{service}.key"
        if not key.exists():
            key.touch(mode=0o600)
            key.write_text("k" * 32)
        contract = self.folder / f"{service}.json"
        if not contract.exists():
            contract.write_text('{"paths": {}}')
        return Endpoint(
            socket=self.folder / f"{service}.sock",
            contract=contract,
            inbound_key_file=key,
            outbound_key_file=key,
        )

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, *services):
        # A socket's path is short; pytest's own folders are not.
        folder = Path(tempfile.mkdtemp(prefix="privity-"))
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(shutil.rmtree, folder)
            standing = cls(folder)
            for service in services:
                await standing._start(service, stack)
            yield standing

    async def _start(self, service, stack):
        async def answer(request):
            body = await request.read()
            self.asked.append((service, request.method, request.path, request.headers, body))
            found = self.answers.get((service, request.method, request.path), (404, None))
            status, content = found if not callable(found[1]) else await found[1](request)
            refusal = status >= 400 and isinstance(content, dict) and "code" in content
            kind = "application/problem+json" if refusal else "application/json"
            headers = self.revokes.get((service, request.path), {})
            return web.json_response(content, status=status, content_type=kind, headers=headers)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.UnixSite(runner, str(self.endpoint(service).socket)).start()


@pytest.fixture
async def behind():
    async with Behind.opened("customers", "orders") as standing:
        yield standing


@pytest.fixture
async def services(behind):
    endpoints = {name: behind.endpoint(name) for name in ("customers", "orders")}
    async with Services(endpoints) as opened:
        yield opened


class Sequencer:
    """In the place of the audit log's own process: puts into the log what is in the store."""

    def __init__(self, owner):
        self.owner = owner

    def of(self, owner):
        """The one of another store."""
        return Sequencer(owner)

    async def run(self):
        await self.owner.execute(
            """
            UPDATE records SET process_id = 'prc_tests', batch = base.batch + fresh.number,
                               position = 0
            FROM (SELECT id, row_number() OVER (ORDER BY recorded_at, id) AS number
                  FROM records WHERE process_id IS NULL) AS fresh,
                 (SELECT coalesce(max(batch), 0) AS batch FROM records
                  WHERE process_id = 'prc_tests') AS base
            WHERE records.id = fresh.id
            """
        )
        await self.owner.execute(
            """
            INSERT INTO log_batches (first_index, process_id, number, records)
            SELECT size.records + sum(fresh.records) OVER (ORDER BY at, process_id, batch)
                   - fresh.records, process_id, batch, fresh.records
            FROM (SELECT process_id, batch, count(*) AS records, min(recorded_at) AS at
                  FROM records WHERE NOT EXISTS (
                      SELECT FROM log_batches WHERE log_batches.process_id = records.process_id
                                                AND number = batch)
                  GROUP BY process_id, batch) AS fresh,
                 (SELECT coalesce(sum(records), 0)::bigint AS records FROM log_batches) AS size
            """
        )


@pytest.fixture
def sequencer(as_owner):
    return Sequencer(as_owner)
