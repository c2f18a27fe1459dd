"""Events in, for the gateway itself: what happened to work that grants hang on, and how much
there is to do.

The same event twice changes nothing that the first did not.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from privacy_gateway.domain.budget import volume
from privacy_gateway.domain.deletion import (
    asking,
    correspondence,
    partners,
    run,
    supervision,
    telling,
)
from privacy_gateway.domain.deletion.means import Means
from privacy_gateway.domain.retention import clocks
from privacy_gateway.domain.retention import sweep as sweeping
from privacy_gateway.domain.tokens.revocation import Revocations
from privity_contracts import ids
from privity_contracts.events import Event
from privity_jobs import Handler, Job, Retry
from privity_rest import Unprocessable

NAME: Final = "privacy-gateway"
"""As whom the policy's trust lets it consume."""

# A case is assigned out of the queue, where it was nobody's work and nobody had a grant for it.
ENDS_GRANTS: Final = frozenset({"case.handed_over", "case.closed"})
# A service's clock may be behind ours. Who got a grant for the work since it changed asks again.
CLOCKS_APART = 5


class NoCase(Unprocessable):
    code, title = "no_case_named", "The event names no case"


# A deletion is not given up: it goes on when what it waits for is there again.
RETRIES: Final[Mapping[str, Retry]] = {
    asking.RUN: Retry(first=2, cap=3600, attempts=100_000),
    telling.LETTER: Retry(first=2, cap=600, attempts=100_000),
    partners.PURGE: Retry(first=5, cap=3600, attempts=100_000),
    partners.REMIND: Retry(first=60, cap=3600, attempts=100_000),
    sweeping.SWEEP: Retry(first=60, cap=3600, attempts=100_000),
}


async def receive(event: Event, *, means: Means, now: datetime) -> None:
    """Raises NoCase."""
    if event.type in ENDS_GRANTS:
        await _end_grants(event, means.revocations, now)
    async with means.database.transaction() as tx:
        if event.type == "order.packed":
            await volume.count(tx, event, now=now)
        await clocks.hear(tx, event, file=means.policy.file, vault=means.vault)
        if partners.ENDED in clocks.named_by(event, means.policy.file):
            await partners.ask_ended(tx, [event.data.get("order_id", "")], now=now)


def handlers(means: Means) -> Mapping[str, Handler]:
    """Jobs in, by their kind."""

    async def delete(job: Job) -> None:
        await run.run(job.payload["deletion_id"], by=means)

    async def purge(job: Job) -> None:
        await partners.tell(job.payload["purge_id"], by=means, now=means.clock())

    async def remind(job: Job) -> None:
        await partners.remind(job.payload["purge_id"], by=means, now=means.clock())

    async def sweep(job: Job) -> None:
        async with means.database.transaction() as tx:
            await sweeping.schedule(tx, now=means.clock())
        await supervision.look(means)
        await sweeping.sweep(means)

    async def write(job: Job) -> None:
        told = job.payload
        await correspondence.write(
            told["deletion_id"], told["letter"], by=means, subject_id=told.get("subject_id")
        )

    return {
        asking.RUN: delete,
        telling.LETTER: write,
        partners.PURGE: purge,
        partners.REMIND: remind,
        sweeping.SWEEP: sweep,
    }


async def _end_grants(event: Event, revocations: Revocations, now: datetime) -> None:
    case_id = event.data.get("case_id", "")
    if not ids.is_id(case_id, "cas"):
        raise NoCase(errors=[("/data/case_id", "required")])
    happened = int(event.occurred_at.timestamp()) + CLOCKS_APART
    await revocations.revoke(
        "work",
        f"case/{case_id}",
        now=now.timestamp(),
        # Whoever has the case by now was checked against how it stands.
        issued_until=min(happened, int(now.timestamp())),
    )
