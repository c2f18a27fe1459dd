"""Who may work on a job: one claim at a time, kept alive by a lease, fenced by its token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

# Walks the lanes by their index, however many jobs wait in each, and takes from every lane what
# its limit leaves. A claim pushes due_at ahead, so no other claim sees the job until then.
_CLAIM = text("""
    WITH RECURSIVE lanes AS (
        (SELECT lane FROM jobs WHERE dead_at IS NULL ORDER BY lane LIMIT 1)
        UNION ALL
        SELECT (SELECT later.lane FROM jobs later
                WHERE later.dead_at IS NULL AND later.lane > lanes.lane
                ORDER BY later.lane LIMIT 1)
        FROM lanes WHERE lanes.lane IS NOT NULL
    ), due AS (
        SELECT job.id
        FROM lanes
        LEFT JOIN unnest(CAST(:busy_lanes AS text[]), CAST(:busy AS int[])) AS taken (lane, jobs)
            ON taken.lane = lanes.lane
        CROSS JOIN LATERAL (
            SELECT id, row_number() OVER (ORDER BY due_at) AS place, due_at FROM (
                SELECT id, due_at FROM jobs
                WHERE lane = lanes.lane AND dead_at IS NULL AND due_at <= now()
                    AND kind = ANY (CAST(:kinds AS text[]))
                ORDER BY due_at
                LIMIT greatest(0, least(:free, :lane_limit - coalesce(taken.jobs, 0)))
                FOR UPDATE SKIP LOCKED
            ) AS locked
        ) AS job
        ORDER BY job.place, job.due_at
        LIMIT :free
    )
    UPDATE jobs
    SET claim = gen_random_uuid(), attempts = attempts + 1,
        due_at = now() + make_interval(secs => :lease)
    FROM due WHERE jobs.id = due.id
    RETURNING jobs.id, jobs.kind, jobs.lane, jobs.payload, jobs.attempts, jobs.claim
""")
# A row that another transaction has locked is passed over: its lease is not renewed this time,
# which at worst ends the attempt, while waiting for it would end everybody's.
_RENEW = text("""
    UPDATE jobs SET due_at = now() + make_interval(secs => :lease)
    FROM (
        SELECT jobs.id FROM jobs
        JOIN unnest(CAST(:ids AS bigint[]), CAST(:claims AS uuid[])) AS held (id, claim)
            ON held.id = jobs.id AND held.claim = jobs.claim
        FOR UPDATE OF jobs SKIP LOCKED
    ) AS held
    WHERE jobs.id = held.id
    RETURNING jobs.id
""")
_END = text("DELETE FROM jobs WHERE id = :id AND claim = :claim AND NOT asked_again RETURNING id")
# Passes over what another transaction has locked, so that it can wait for nobody while it holds
# locks itself.
_END_MANY = text("""
    DELETE FROM jobs USING (
        SELECT jobs.id FROM jobs
        JOIN unnest(CAST(:ids AS bigint[]), CAST(:claims AS uuid[])) AS held (id, claim)
            ON held.id = jobs.id AND held.claim = jobs.claim
        WHERE NOT jobs.asked_again
        FOR UPDATE OF jobs SKIP LOCKED
    ) AS held
    WHERE jobs.id = held.id
    RETURNING jobs.id
""")
_RUN_AGAIN = text("""
    UPDATE jobs
    SET claim = NULL, asked_again = false, attempts = 0, due_at = now(), last_failure = NULL
    WHERE id = :id AND claim = :claim AND asked_again
    RETURNING id
""")
_POSTPONE = text("""
    UPDATE jobs
    SET claim = NULL, asked_again = false, last_failure = :failure,
        due_at = CASE WHEN asked_again THEN now()
                      ELSE now() + make_interval(secs => :delay) END,
        attempts = CASE WHEN asked_again THEN 0 ELSE attempts END,
        dead_at = CASE WHEN :dead AND NOT asked_again THEN now() END
    WHERE id = :id AND claim = :claim
    RETURNING id
""")
_RELEASE = text("""
    UPDATE jobs SET claim = NULL, due_at = now(), attempts = greatest(attempts - 1, 0)
    WHERE id = :id AND claim = :claim
""")


class ClaimLost(Exception):
    """The lease ran out and the job belongs to somebody else: this attempt must leave no trace."""


@dataclass(slots=True, eq=False)
class Job:
    """One claimed job, as its handler sees it. `attempt` counts from one, crashes included."""

    id: int
    kind: str
    lane: str
    payload: Mapping[str, Any]
    attempt: int
    claim: UUID
    is_last_attempt: bool = field(default=False)
    ending: bool = field(default=False)

    async def finish(self, tx: AsyncSession) -> None:
        """Ends the job in the handler's own transaction: its result and its end are one commit.

        Comes last in a short transaction. Raises ClaimLost when the job is no longer ours, so
        that what a worker does after its time never counts.
        """
        self.ending = True
        if not await end(await tx.connection(), self):
            raise ClaimLost(f"job {self.id}")


async def claim(
    connection: AsyncConnection,
    *,
    kinds: Sequence[str],
    free: int,
    lane_limit: int,
    busy: Mapping[str, int],
    lease: float,
) -> list[Job]:
    """Takes up to `free` jobs that are due. `busy` says how many of each lane run here already."""
    rows = await connection.execute(
        _CLAIM,
        {
            "kinds": list(kinds),
            "free": free,
            "lane_limit": lane_limit,
            "busy_lanes": list(busy),
            "busy": list(busy.values()),
            "lease": lease,
        },
    )
    return [
        Job(row.id, row.kind, row.lane, row.payload, attempt=row.attempts, claim=row.claim)
        for row in rows
    ]


async def renew(connection: AsyncConnection, jobs: Sequence[Job], *, lease: float) -> set[int]:
    """Extends the leases and says which."""
    rows = await connection.execute(_RENEW, {**_held(jobs), "lease": lease})
    return set(rows.scalars())


async def end(connection: AsyncConnection, job: Job) -> bool:
    """False when the claim is not ours any more."""
    mine = {"id": job.id, "claim": job.claim}
    if (await connection.execute(_END, mine)).first() is not None:
        return True
    return (await connection.execute(_RUN_AGAIN, mine)).first() is not None


async def end_many(connection: AsyncConnection, jobs: Sequence[Job]) -> None:
    """Ends those that are still ours, in one commit. The connection must be in autocommit."""
    ended = set((await connection.execute(_END_MANY, _held(jobs))).scalars())
    for job in jobs:
        if job.id not in ended:
            await end(connection, job)


def _held(jobs: Sequence[Job]) -> dict[str, Any]:
    return {"ids": [job.id for job in jobs], "claims": [job.claim for job in jobs]}


async def postpone(
    connection: AsyncConnection, job: Job, *, delay: float, failure: str, dead: bool
) -> bool:
    """Puts the job back, or aside for good when `dead`. False when the claim is not ours."""
    outcome = {"delay": delay, "failure": failure, "dead": dead}
    mine = {"id": job.id, "claim": job.claim}
    return (await connection.execute(_POSTPONE, {**mine, **outcome})).first() is not None


async def release(connection: AsyncConnection, job: Job) -> None:
    """Gives the job back at once, as if it had not been tried."""
    await connection.execute(_RELEASE, {"id": job.id, "claim": job.claim})
