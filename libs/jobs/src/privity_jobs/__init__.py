"""Durable jobs and the outbox, enqueued in your own transaction."""

from privity_jobs import schema
from privity_jobs.claims import ClaimLost, Job
from privity_jobs.queue import (
    EVENT,
    PersonalPayload,
    QueuedJob,
    dead_jobs,
    enqueue,
    publish,
    revive,
)
from privity_jobs.relay import event_relay
from privity_jobs.retrying import Retry, RetryLater
from privity_jobs.worker import Handler, Worker

__all__ = [
    "EVENT",
    "ClaimLost",
    "Handler",
    "Job",
    "PersonalPayload",
    "QueuedJob",
    "Retry",
    "RetryLater",
    "Worker",
    "dead_jobs",
    "enqueue",
    "event_relay",
    "publish",
    "revive",
    "schema",
]
