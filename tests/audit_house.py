"""The audit log without the shop: gateways' logs, sequencers, a signer and a witness, in one
process and on one database, where each can be stopped, restored and tampered with."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import uvicorn

import privacy_gateway
from audit_log.clients.signer import SignerClient
from audit_log.clients.witness import WitnessClient
from audit_log.domain.keys import log_key, read_publics
from audit_log.domain.sequencing.heads import Heads
from audit_log.domain.sequencing.order import Order
from audit_log.domain.sequencing.sequencer import Sequencer
from audit_log.main import create_signer, create_witness
from audit_log.settings import SignerSettings, WitnessSettings
from privacy_gateway.clients.line import for_driver
from privacy_gateway.domain.audit.access import Access, FieldAccess
from privacy_gateway.domain.audit.chain import Chain
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.audit.sequenced import Sequenced
from privacy_gateway.domain.vault.data_keys import DataKeys
from privacy_gateway.domain.vault.kek import KeyFile
from privacy_gateway.domain.vault.process_key import ProcessKey
from privacy_gateway.domain.vault.vault import Vault
from privity_contracts import ids
from privity_database import migrate
from privity_deploy.secrets import Secrets
from privity_transparency import merkle
from privity_transparency.checkpoint import open_checkpoint
from privity_transparency.note import COSIGNATURE

MIGRATIONS = Path(privacy_gateway.__file__).parent / "migrations"
ORIGIN, WITNESS = "shop.example/audit", "witness.example/w1"
TABLES = (
    "records", "openings", "processes", "batches", "log_batches", "tiles", "checkpoints",
)  # fmt: skip


def a_read(subject):
    return Access(
        kind="read",
        subject=subject,
        actor="svc_orders",
        actor_kind="service",
        role="service",
        purpose="delivery",
        clauses=("C2.2",),
        policy="2026-11-22",
        service="customers",
        scope=f"account/{subject}",
        decision="allow",
        fields=(FieldAccess("/name", "user.name", "reveal"),),
    )


class AuditHouse:
    def __init__(self, audit, keys, folder, stack):
        self.audit, self.folder = audit, folder
        self._keys_url, self._stack = keys.runtime, stack
        self.secrets = Secrets(folder / "secrets")
        self.customer = ids.mint("cus")
        self._servers = {}

    async def open(self):
        for name, kind in (
            ("identity.pem", "ed25519"),
            ("signer.pem", "log_signer"),
            ("witness.pem", "log_signer"),
            ("to-signer", "random"),
        ):
            self.secrets.ensure(name, kind)
        await self.reconnect()
        keks = KeyFile.read_or_create(self.folder / "keks.json")
        # Nothing here is about keys that come late.
        keys = DataKeys(self._keys_url, keks, deadline_seconds=10)
        await keys.start()
        self._stack.push_async_callback(keys.close)
        self._vault = Vault(keys, index_key=b"i" * 32, request_key=b"r" * 32)
        path = self.secrets.path
        self.log_key = log_key(str(path("signer.pub")), origin=ORIGIN)
        self.witness_key = log_key(str(path("witness.pub")), origin=WITNESS, kind=COSIGNATURE)
        await self.start("signer")
        await self.start("witness")
        return self

    async def reconnect(self):
        """After the server was killed."""
        self.owner = await asyncpg.connect(for_driver(self.audit.owner))
        self._stack.callback(self.owner.terminate)

    async def start(self, name):
        path, socket = self.secrets.path, self.folder / f"{name}.sock"
        key, heads = path(f"{name}.pem"), path(f"{name}.heads")
        if name == "signer":
            app = create_signer(
                SignerSettings(
                    origin=ORIGIN,
                    key_file=key,
                    heads_file=heads,
                    inbound_key_file=path("to-signer"),
                )
            )
        else:
            logs = {ORIGIN: (str(path("signer.pub")),)}
            app = create_witness(
                WitnessSettings(name=WITNESS, key_file=key, heads_file=heads, logs=logs)
            )
        config = uvicorn.Config(app, uds=str(socket), log_config=None, ws="none", loop="none")
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()  # what `serve` does, without its signals
        self._servers[name] = server

    async def stop(self, name):
        server = self._servers.pop(name)
        server.force_exit = True
        for listener in server.servers:
            listener.close()
        await server.shutdown()
        await server.lifespan.shutdown()

    async def gateway(
        self,
        *,
        spool=None,
        behind_after=60.0,
        keep=60.0,
        deadline=20.0,
        follows=True,
        identity="identity",
    ):
        """One more gateway process's way into the store."""
        key = ProcessKey(self.secrets.read(f"{identity}.pem"), now=datetime.now(UTC))
        chain = Chain(key, spool or self.folder / "spool")
        sequenced = Sequenced(
            self.audit.runtime,
            chain,
            behind_after_seconds=behind_after,
            keep_seconds=keep,
            every_seconds=0.1,
        )
        log = AuditLog(
            self.audit.runtime, self._vault, chain, sequenced=sequenced, deadline_seconds=deadline
        )
        await log.start()
        self._stack.push_async_callback(log.close)
        if follows:
            await self._stack.enter_async_context(sequenced.following())
        return log

    @contextlib.asynccontextmanager
    async def sequencer(self, name="one", *, order="log.order"):
        path = self.secrets.path
        signer = SignerClient(self.folder / "signer.sock", outbound_key_file=path("to-signer"))
        witness = WitnessClient(f"unix:{self.folder / 'witness.sock'}")
        sequencer = Sequencer(
            self.audit.apart["log"],
            name=name,
            identities=read_publics(path("identity.pub")),
            order=Order(self.folder / order),
            heads=Heads(
                signer, log_key=self.log_key, witness=witness, witness_key=self.witness_key
            ),
        )
        async with sequencer.running():
            yield sequencer
        await signer.aclose()
        await witness.aclose()

    async def record(self, log, times=1, *, each=2):
        found = []
        for _ in range(times):
            found += await log.record([a_read(self.customer)] * each)
        return [receipt.record_id for receipt in found]

    async def checkpoint(self):
        """The newest cosigned one, verified, against the tree of what lies in the database."""
        row = await self.owner.fetchrow(
            "SELECT * FROM checkpoints WHERE cosigned ORDER BY size DESC LIMIT 1"
        )
        if row is None:
            return None
        opened = open_checkpoint(
            row["note"], log_key=self.log_key, witness_keys=[self.witness_key], quorum=1
        ).checkpoint
        leaves = await self.leaves()
        assert opened.root == merkle.root_of(map(merkle.leaf_hash, leaves[: opened.size]))
        return opened

    async def leaves(self):
        """In the order of the log."""
        rows = await self.owner.fetch(
            "SELECT leaf FROM log_batches l JOIN records r ON r.process_id = l.process_id"
            " AND r.batch = l.number ORDER BY l.first_index + r.position"
        )
        return [row["leaf"] for row in rows]

    async def until_signed(self, size, *, seconds=15):
        async with asyncio.timeout(seconds):
            while True:
                newest = await self.owner.fetchval(
                    "SELECT max(size) FROM checkpoints WHERE cosigned"
                )
                if (newest or 0) >= size:
                    return await self.checkpoint()
                await asyncio.sleep(0.03)

    async def copy(self):
        """The content of every table, to be put back later."""
        return {
            table: await self.owner.fetch(f"SELECT * FROM {table}")  # noqa: S608
            for table in TABLES
        }

    async def restore(self, copy):
        async with self.owner.transaction():
            for table in TABLES:
                await self.owner.execute(f"TRUNCATE {table}")
                if copy[table]:
                    await self.owner.copy_records_to_table(
                        table, records=copy[table], columns=list(copy[table][0].keys())
                    )


@contextlib.asynccontextmanager
async def open_house(audit, keys):
    folder = Path(tempfile.mkdtemp(prefix="privity-"))  # a socket's path is short
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        house = AuditHouse(audit, keys, folder, stack)
        try:
            yield await house.open()
        finally:
            for name in list(house._servers):
                await house.stop(name)


async def fresh(make_database):
    audit = make_database("log", grants="insert_select", apart=("log",))
    keys = make_database("log_keys")
    await migrate(audit.owner, MIGRATIONS / "audit")
    await migrate(keys.owner, MIGRATIONS / "keys")
    return audit, keys
