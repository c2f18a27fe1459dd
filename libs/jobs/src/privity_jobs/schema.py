"""The table that holds the jobs, for the Alembic migration of each service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import MetaData

from privity_jobs.queue import QueuedJob

if TYPE_CHECKING:  # a start that has nothing to migrate does without Alembic
    from alembic.operations import Operations

UPGRADE = (
    """
    CREATE TABLE jobs (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        kind text NOT NULL,
        key text,
        lane text NOT NULL,
        payload jsonb NOT NULL,
        due_at timestamptz NOT NULL DEFAULT now(),
        attempts integer NOT NULL DEFAULT 0,
        claim uuid,
        asked_again boolean NOT NULL DEFAULT false,
        dead_at timestamptz,
        last_failure text,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE UNIQUE INDEX jobs_key ON jobs (kind, key) WHERE key IS NOT NULL",
    "CREATE INDEX jobs_due ON jobs (lane, due_at) WHERE dead_at IS NULL",
    # Rows live for seconds. Without this the queue's index grows until a fifth of it is dead.
    """
    ALTER TABLE jobs SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500)
    """,
)


def upgrade(op: Operations) -> None:
    """Creates the table. The owner's default privileges give the service its DML on it."""
    for statement in UPGRADE:
        op.execute(statement)


def downgrade(op: Operations) -> None:
    op.execute("DROP TABLE jobs")


def declare(metadata: MetaData) -> None:
    """Adds the table to a service's own tables, for the comparison of models and database."""
    QueuedJob.metadata.tables["jobs"].to_metadata(metadata)
