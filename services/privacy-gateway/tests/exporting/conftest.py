"""A store of its own with a log that is really signed, and the keys that an outsider would have."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import privacy_gateway
from privacy_gateway.clients.line import for_driver
from privacy_gateway.domain.audit.filters import Filters
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.audit.query import Records
from privacy_gateway.domain.exporting import orders
from privacy_gateway.domain.exporting.making import Making
from privity_contracts import ids
from privity_database import Database, migrate
from privity_jobs import Worker
from privity_transparency.checkpoint import Checkpoint
from privity_transparency.merkle import leaf_hash
from privity_transparency.note import ED25519, Note, NoteSigner
from privity_transparency.tiles import Growth
from privity_transparency.verifier.heads import Trust

MIGRATIONS = Path(privacy_gateway.__file__).parent / "migrations"
PATIENT = 10.0
_LEAVES = """
SELECT leaf FROM records JOIN log_batches USING (process_id)
WHERE log_batches.number = records.batch ORDER BY first_index + position
"""


class SignedLog:
    """The sequencer and the signer, without their processes."""

    def __init__(self, owner, sequencer):
        self.owner = owner
        self.sequencer = sequencer
        self.signer = NoteSigner("shop.example/audit", ED25519, Ed25519PrivateKey.generate())
        self.trust = Trust(log_key=self.signer.verifier)

    async def sign(self):
        await self.sequencer.run()
        growth = Growth()
        content = growth.append(leaf_hash(row[0]) for row in await self.owner.fetch(_LEAVES))
        head = Checkpoint(self.signer.name, growth.size, growth.root())
        note = Note(head.text, (self.signer.sign(head.text),))
        await self.owner.execute("TRUNCATE tiles, checkpoints")
        await self.owner.executemany(
            "INSERT INTO tiles VALUES ($1, $2, $3)",
            [(*tile, hashes) for tile, hashes in content.items()],
        )
        await self.owner.execute(
            "INSERT INTO checkpoints VALUES ($1, $2, $3, true, $4)",
            head.size,
            head.root,
            str(note),
            datetime.now(UTC),
        )
        return head.size


@pytest.fixture(scope="package")
def signed_database(make_database):
    urls = make_database("exported", grants="insert_select", apart=("log",))
    asyncio.run(migrate(urls.owner, MIGRATIONS / "audit"))
    return urls


@pytest.fixture
async def signed_owner(signed_database):
    connection = await asyncpg.connect(for_driver(signed_database.owner))
    await connection.execute("TRUNCATE records, openings, batches, log_batches, tiles, checkpoints")
    yield connection
    await connection.close()


@pytest.fixture
def signed_log(signed_owner, sequencer):
    return SignedLog(signed_owner, sequencer.of(signed_owner))


@pytest.fixture
async def log(signed_database, signed_owner, vault, new_chain):
    opened = AuditLog(signed_database.runtime, vault, new_chain(), deadline_seconds=PATIENT)
    await opened.start()
    yield opened
    await opened.close()


@pytest.fixture
async def records(signed_database, vault):
    opened = Records(signed_database.runtime, vault, deadline_seconds=PATIENT)
    yield opened
    opened.close()


@pytest.fixture
async def database(gateway_database):
    opened = Database(gateway_database.runtime)
    yield opened
    await opened.dispose()


@pytest.fixture
def ordered(database):
    async def order(form="ndjson", **asked):
        export_id = ids.mint("exp")
        async with database.transaction() as tx:
            await orders.order(
                tx,
                export_id,
                form=form,
                filters=Filters(**asked),
                by=ids.mint("stf"),
                now=datetime.now(UTC),
            )
        return export_id

    return order


@pytest.fixture
def state_of(database):
    async def read(export_id):
        async with database.transaction() as tx:
            return await orders.find(tx, export_id)

    return read


@pytest.fixture
def worked(database, records, vault, state_of):
    """Lets a worker work until the export is in this state."""

    async def work(export_id, until="ready", *, stretch=2_000, making=None):
        making = making or Making(database, records, vault, stretch=stretch)
        async with Worker(database.engine, making.handlers(), poll=0.02), asyncio.timeout(20):
            export = await state_of(export_id)
            while export.state != until:  # in another transaction each time
                await asyncio.sleep(0.02)
                export = await state_of(export_id)
        return export

    return work
