"""The outbox's far end: events go to the gateway, which hands them to whoever subscribed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from privity_jobs.claims import Job
from privity_jobs.retrying import RetryLater
from privity_jobs.worker import Handler

if TYPE_CHECKING:  # the gateway has jobs too, and no use for a client of its own
    from privity_rest import GatewayClient


def event_relay(gateway: GatewayClient) -> Handler:
    """The handler for `EVENT` jobs. An event that is accepted twice counts once: it has an id."""

    async def relay(job: Job) -> None:
        answer = await gateway.post("/v1/events", dict(job.payload))
        if not answer.ok:
            # Also when it was refused: a newer subscriber may accept it, and it is never dropped.
            raise RetryLater(f"status_{answer.status}")

    return relay
