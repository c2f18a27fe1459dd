"""What changing keys needs, put together; and its jobs, running for as long as the process."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

from privacy_gateway.clients.indexes import Indexes
from privacy_gateway.domain import index_rotation
from privacy_gateway.domain.key_steps import KeySteps
from privacy_gateway.main.parts import Parts
from privity_jobs import Job, Retry, Worker

# It is not given up: it goes on when what it waits for is there again.
RETRIES = {index_rotation.ROTATION: Retry(first=2, cap=60, attempts=100_000)}


@asynccontextmanager
async def rotating(parts: Parts, documents: Mapping[str, Any]) -> AsyncIterator[None]:
    """`documents` are the services' contracts, which say who has blind indexes."""
    settings = parts.settings
    keys_url = settings.keys_database_url.get_secret_value()
    means = index_rotation.Means(
        keys_url=keys_url,
        keks=parts.keks,
        announce=parts.destruction.announce,
        vault=parts.vault,
        audit=parts.audit,
        policy=lambda: parts.policy,
        indexes=Indexes(parts.services, indexed(documents)),
        first_key_file=settings.secrets_dir / "blind-index",
    )

    async def rotate(job: Job) -> None:
        wait = timedelta(seconds=job.payload["wait"])
        await index_rotation.run(job.payload["rotation_id"], longest_request=wait, by=means)

    async with AsyncExitStack() as running:
        steps = KeySteps(keys_url, parts.audit, policy=lambda: parts.policy)
        await running.enter_async_context(steps.following())
        handlers = {index_rotation.ROTATION: rotate}
        worker = Worker(parts.database.engine, handlers, retries=RETRIES, concurrency=1, poll=1.0)
        await running.enter_async_context(worker)
        yield


def indexed(documents: Mapping[str, Any]) -> list[str]:
    """The services whose contracts take blind indexes."""
    return sorted(name for name, document in documents.items() if any(_indexes(document)))


def _indexes(node: Any) -> Iterator[bool]:
    if isinstance(node, dict):
        if node.get("x-privity-kind") == "index":
            yield True
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from _indexes(each)
