"""What changing keys needs, put together; and its jobs, running for as long as the process."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from starlette.datastructures import State

from privacy_gateway.clients.indexes import Indexes
from privacy_gateway.clients.line import Lines
from privacy_gateway.domain import index_rotation
from privacy_gateway.domain.key_steps import KeySteps
from privacy_gateway.domain.vault.key_status import Status, status
from privacy_gateway.main.parts import Parts
from privity_jobs import Job, Retry, Worker

# It is not given up: it goes on when what it waits for is there again.
RETRIES = {index_rotation.ROTATION: Retry(first=2, cap=60, attempts=100_000)}


@asynccontextmanager
async def rotating(
    parts: Parts, state: State, documents: Mapping[str, Any]
) -> AsyncIterator[Worker]:
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
        keys = Lines(keys_url, name="privity-key-status", deadline_seconds=5.0, count=1)
        running.callback(keys.cut)
        gateway_url = settings.database_url.get_secret_value()
        gateway = Lines(gateway_url, name="privity-key-status", deadline_seconds=5.0, count=1)
        running.callback(gateway.cut)

        async def standing(now: datetime) -> Status:
            secrets = settings.secrets_dir
            return await status(keys.fetch, gateway.fetch, parts.keks, secrets_dir=secrets, now=now)

        state.key_status = standing
        steps = KeySteps(keys_url, parts.audit, policy=lambda: parts.policy, gateway=gateway.fetch)
        await running.enter_async_context(steps.following())
        handlers = {index_rotation.ROTATION: rotate}
        worker = Worker(parts.database.engine, handlers, retries=RETRIES, concurrency=1, poll=1.0)
        await running.enter_async_context(worker)
        yield worker


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
