"""A claimed job has one worker, outlives it, and is retried as its policy says."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from structlog.testing import capture_logs

from privity_jobs import ClaimLost, Job, Retry, RetryLater, Worker, enqueue
from privity_postgres.silence import Way
from privity_postgres.testing import DatabaseUrls
from privity_rest import Unavailable

Sessions = async_sessionmaker[AsyncSession]
Until = Callable[..., Awaitable[None]]
OVERLAPS = """
    SELECT count(*) FROM runs a JOIN runs b ON a.job = b.job AND a.ctid <> b.ctid
    WHERE a.started < coalesce(b.ended, 'infinity') AND b.started < coalesce(a.ended, 'infinity')
        AND {who}
"""


class CarrierAway(Unavailable):
    code = "carrier_away"


async def add(sessions: Sessions, count: int = 1, **payload: object) -> None:
    async with sessions.begin() as tx:
        for _ in range(count):
            await enqueue(tx, "work", payload)


async def scalar(engine: AsyncEngine, query: str) -> object:
    async with engine.connect() as connection:
        return (await connection.execute(text(query))).scalar()


async def test_many_jobs_over_two_processes_are_each_done_once(
    sessions: Sessions, engine: AsyncEngine, until: Until, spawn: Callable[..., object]
) -> None:
    spawn(lease=60)  # nobody dies here, and a busy machine may halt a worker for seconds
    spawn(lease=60)
    await add(sessions, 32, milliseconds=2000)  # sixteen fill a worker
    await until("SELECT count(DISTINCT pid) FROM runs", 2)

    await add(sessions, 300, milliseconds=5)
    await until("SELECT count(*) FROM jobs", 0, seconds=60)

    assert await scalar(engine, "SELECT count(*) FROM runs") == 332
    assert await scalar(engine, "SELECT count(DISTINCT job) FROM runs") == 332


async def test_a_killed_workers_job_is_picked_up_within_its_lease_and_a_live_ones_is_not(
    sessions: Sessions, engine: AsyncEngine, until: Until, spawn: Callable[[], object]
) -> None:
    await add(sessions, milliseconds=5000)  # longer than two leases
    spawn(), spawn()
    await until("SELECT count(*) FROM runs", 1)
    pid = await scalar(engine, "SELECT pid FROM runs")
    assert isinstance(pid, int)
    await asyncio.sleep(3)
    assert await scalar(engine, "SELECT count(*) FROM runs") == 1

    os.kill(pid, signal.SIGKILL)
    await until("SELECT count(*) FROM runs", 2, seconds=6)

    await until("SELECT count(*) FROM jobs", 0)
    assert await scalar(engine, "SELECT count(*) FROM runs") == 2


async def test_a_worker_that_was_frozen_cannot_touch_the_job_it_lost(
    sessions: Sessions, engine: AsyncEngine, until: Until, spawn: Callable[[], object]
) -> None:
    await add(sessions, milliseconds=3000, then="retry")
    spawn(), spawn()
    await until("SELECT count(*) FROM runs", 1)
    frozen = await scalar(engine, "SELECT pid FROM runs")
    assert isinstance(frozen, int)

    os.kill(frozen, signal.SIGSTOP)
    await until("SELECT count(*) FROM runs", 2)
    os.kill(frozen, signal.SIGCONT)
    await until("SELECT count(*) FROM runs WHERE ended IS NOT NULL", 2)

    # Its retry would have put the job back while the other one was still at it.
    await until("SELECT count(*) FROM runs", 3)
    others = f"a.pid <> {frozen} AND b.pid <> {frozen}"
    assert await scalar(engine, OVERLAPS.format(who=others)) == 0
    third = "SELECT min(started) FROM runs WHERE started >= (SELECT max(ended) FROM runs)"
    assert await scalar(engine, third) is not None


async def test_a_job_that_kills_its_worker_does_not_do_so_for_ever(
    sessions: Sessions, engine: AsyncEngine, until: Until
) -> None:
    await add(sessions)
    async with engine.begin() as connection:  # as three workers left it that died of it
        await connection.execute(text("UPDATE jobs SET attempts = 3, claim = gen_random_uuid()"))
    ran = False

    async def work(job: Job) -> None:
        nonlocal ran
        ran = True

    async with Worker(engine, {"work": work}, poll=0.05, retry=Retry(attempts=3)):
        await until("SELECT last_failure FROM jobs WHERE dead_at IS NOT NULL", "worker_lost")

    assert not ran


@pytest.mark.parametrize(
    ("failure", "kept"),
    [
        (RetryLater("status_503"), "status_503"),
        (CarrierAway("rcp_1"), "carrier_away"),
        (ValueError("maria@example.org"), "ValueError"),
    ],
)
async def test_what_fails_is_tried_again_and_its_message_is_not_kept(
    sessions: Sessions, engine: AsyncEngine, until: Until, failure: Exception, kept: str
) -> None:
    attempts: list[tuple[int, bool]] = []

    async def work(job: Job) -> None:
        attempts.append((job.attempt, job.is_last_attempt))
        if job.attempt < 3:
            raise failure

    await add(sessions)
    retry = Retry(first=0.3, cap=0.3, attempts=3)
    async with Worker(engine, {"work": work}, poll=0.02, retry=retry):
        await until("SELECT last_failure FROM jobs", kept)
        await until("SELECT count(*) FROM jobs", 0)

    assert attempts == [(1, False), (2, False), (3, True)]


async def test_a_jobs_end_and_its_result_are_one_commit(
    sessions: Sessions, engine: AsyncEngine, until: Until
) -> None:
    async def work(job: Job) -> None:
        async with sessions.begin() as tx:
            await tx.execute(text("INSERT INTO runs (job) VALUES (:id)"), {"id": job.id})
            await job.finish(tx)
            if job.attempt == 1:
                raise RetryLater("rolled_back")

    await add(sessions)
    retry = Retry(first=0.01)
    async with Worker(engine, {"work": work}, poll=0.02, retry=retry):
        await until("SELECT count(*) FROM jobs", 0)

    assert await scalar(engine, "SELECT count(*) FROM runs") == 1


async def test_a_job_that_another_has_claimed_meanwhile_cannot_be_finished(
    sessions: Sessions, engine: AsyncEngine, until: Until
) -> None:
    refused = asyncio.Event()

    async def work(job: Job) -> None:
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE jobs SET claim = gen_random_uuid()"))
        try:
            async with sessions.begin() as tx:
                await tx.execute(text("INSERT INTO runs (job) VALUES (:id)"), {"id": job.id})
                await job.finish(tx)
        except ClaimLost:
            refused.set()
            raise

    await add(sessions)
    async with Worker(engine, {"work": work}), asyncio.timeout(5):
        await refused.wait()

    assert await scalar(engine, "SELECT count(*) FROM runs") == 0
    assert await scalar(engine, "SELECT count(*) FROM jobs") == 1


async def test_one_dead_partner_slows_no_other(
    sessions: Sessions, engine: AsyncEngine, until: Until
) -> None:
    async def work(job: Job) -> None:
        if job.lane == "dead":
            await asyncio.sleep(60)

    async with sessions.begin() as tx:
        for n in range(200):
            await enqueue(tx, "work", {"n": n}, lane="dead")
        for n in range(50):
            await enqueue(tx, "work", {"n": n}, lane="well")
    async with Worker(engine, {"work": work}, concurrency=8, lane_limit=4, grace=0):
        await until("SELECT count(*) FROM jobs WHERE lane = 'well'", 0, seconds=5)

        assert await scalar(engine, "SELECT count(*) FROM jobs WHERE claim IS NOT NULL") == 4

    # Stopping gives back what was under way, and does not count it as tried.
    assert await scalar(engine, "SELECT count(*) FROM jobs WHERE claim IS NOT NULL") == 0
    assert await scalar(engine, "SELECT max(attempts) FROM jobs") == 0


async def test_stopping_waits_for_what_is_under_way(
    sessions: Sessions, engine: AsyncEngine
) -> None:
    started, ended = asyncio.Event(), False

    async def work(job: Job) -> None:
        nonlocal ended
        started.set()
        await asyncio.sleep(0.3)
        ended = True

    await add(sessions)
    async with Worker(engine, {"work": work}):
        await started.wait()

    assert ended
    assert await scalar(engine, "SELECT count(*) FROM jobs") == 0


async def test_a_worker_outlives_the_loss_of_its_database_connections(
    sessions: Sessions, engine: AsyncEngine, until: Until, urls: DatabaseUrls
) -> None:
    attempts: list[int] = []
    started = asyncio.Event()

    async def work(job: Job) -> None:
        attempts.append(job.attempt)
        started.set()
        await asyncio.sleep(1)

    await add(sessions)
    async with Worker(engine, {"work": work}, lease=1.2, poll=0.05):
        await started.wait()
        async with engine.connect() as connection:
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE pid <> pg_backend_pid() AND usename = current_user"
                )
            )
        await until("SELECT count(*) FROM jobs", 0)
        await add(sessions)
        await until("SELECT count(*) FROM jobs", 0)

    assert len(attempts) in {2, 3}  # the first may have had to be repeated


async def test_stopping_does_not_wait_for_a_database_that_is_gone(
    sessions: Sessions, way: Way
) -> None:
    started = asyncio.Event()

    async def work(job: Job) -> None:
        started.set()
        await asyncio.sleep(60)

    await add(sessions)
    lost = create_async_engine(way.url)
    async with asyncio.timeout(20):
        async with Worker(lost, {"work": work}, lease=60, poll=0.01, grace=0.1):
            await started.wait()
            way.fall_silent()
            await asyncio.sleep(0.1)  # it asks for more
    way.speak_again()
    await lost.dispose()


async def test_a_worker_outlives_a_driver_that_fails_in_a_way_of_its_own(
    sessions: Sessions, engine: AsyncEngine, until: Until
) -> None:
    fails = True

    def cut_in_mid_sentence(*_: object) -> None:
        if fails:
            raise asyncpg.InternalClientError("unexpected connection_lost() call")

    async def work(job: Job) -> None:
        await asyncio.sleep(1)  # longer than its lease: somebody has to keep that

    await add(sessions)
    event.listen(engine.sync_engine, "checkout", cut_in_mid_sentence)
    with capture_logs() as logs:
        async with Worker(engine, {"work": work}, poll=0.02, lease=0.6):
            await asyncio.sleep(0.1)
            fails = False
            await until("SELECT count(*) FROM jobs", 0)

    told = {line["event"] for line in logs if line["exception"] == "InternalClientError"}
    assert {"database_away", "leases_not_renewed"} <= told


async def test_an_attempt_that_cannot_be_given_back_is_told_of_without_a_message(
    sessions: Sessions, way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    started = asyncio.Event()

    async def work(job: Job) -> None:
        started.set()
        await asyncio.sleep(60)

    await add(sessions)
    broken = create_async_engine(way.url)
    with capture_logs() as logs:
        async with Worker(broken, {"work": work}, lease=60, poll=60, grace=0):
            await started.wait()
            way.hang_up()
    await broken.dispose()

    assert "not_given_back" in {line["event"] for line in logs}
    assert not [record for record in caplog.records if record.name == "asyncio"]


@pytest.mark.parametrize(
    ("attempt", "asked", "expected"),
    [(1, None, 1), (2, None, 2), (5, None, 16), (9, None, 256), (10, None, 300), (9999, None, 300),
     (1, 30, 30), (9, 30, 256), (1, 86400, 300)],
)  # fmt: skip
def test_pauses_double_up_to_a_cap_and_heed_what_the_other_side_asked(
    attempt: int, asked: float | None, expected: float
) -> None:
    retry = Retry()

    assert retry.delay(attempt, asked=asked, chance=lambda low, high: 1.0) == expected
    assert 0.75 * expected <= retry.delay(attempt, asked=asked) <= 1.25 * expected
