"""What deleting needs, put together; and its jobs, running for as long as the process."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

from privacy_gateway import consumers
from privacy_gateway.clients.holdings import HoldingsOfAll
from privacy_gateway.clients.mailboxes import Mailboxes
from privacy_gateway.domain.deletion.journal import Journal
from privacy_gateway.domain.deletion.means import Means
from privacy_gateway.domain.deletion.receipt import Receipts
from privacy_gateway.domain.deletion.replay import replay
from privacy_gateway.domain.deletion.telling import Telling
from privacy_gateway.domain.disclosure.record import Means as Disclosing
from privacy_gateway.domain.retention import sweep
from privacy_gateway.domain.vault.inventory import Inventory
from privacy_gateway.domain.vault.key_cache import Place
from privacy_gateway.main.parts import Parts
from privity_database import Database
from privity_jobs import Worker
from privity_rest import read_secret


def build(parts: Parts, disclosing: Disclosing) -> Means:
    settings = parts.settings

    async def destroy(place: Place, now: datetime) -> None:
        await parts.destruction.destroy(
            subject=place.subject,
            scope=place.scope,
            retention_class=place.retention_class,
            now=now,
        )

    return Means(
        database=parts.database,
        policies=parts.policies,
        vault=parts.vault,
        audit=parts.audit,
        journal=Journal(
            settings.journal_database_url.get_secret_value(),
            parts.vault.derived_key("journal of deletions"),
        ),
        inventory=Inventory(settings.keys_database_url.get_secret_value()),
        holdings=HoldingsOfAll(parts.services, sorted(settings.services)),
        destroy=destroy,
        revocations=parts.revocations,
        receipts=Receipts(
            read_secret(settings.secrets_dir / "receipt-signing.pem"), issuer=settings.public_url
        ),
        telling=Telling(disclosing, parts.mail, Mailboxes(parts.services)),
        webhooks=parts.webhooks,
        keks=parts.keks,
        clock=lambda: datetime.now(UTC),
    )


@asynccontextmanager
async def deleting(parts: Parts, means: Means) -> AsyncIterator[Worker]:
    """What was deleted is deleted again first, if a backup brought it back."""
    keys_url = parts.settings.keys_database_url.get_secret_value()
    async with AsyncExitStack() as running:
        running.callback(means.journal.close)
        running.callback(means.inventory.close)
        keys_database = Database(keys_url, pool_size=1, application_name="privity-replay")
        try:
            await replay(means, keys_database, now=means.clock())
        finally:
            await keys_database.dispose()
        handlers = consumers.handlers(means)
        worker = Worker(
            means.database.engine, handlers, retries=consumers.RETRIES, concurrency=4, poll=1.0
        )
        await running.enter_async_context(worker)
        async with means.database.transaction() as tx:
            await sweep.schedule(tx, now=means.clock())
        yield worker
