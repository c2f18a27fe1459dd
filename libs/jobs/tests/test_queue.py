"""Work is put in by the caller's transaction, once per key, and holds nobody's data."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import MetaData, func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from privity_contracts.events import Event
from privity_contracts.ids import mint
from privity_database import differences
from privity_jobs import (
    EVENT,
    Job,
    PersonalPayload,
    QueuedJob,
    Retry,
    RetryLater,
    Worker,
    dead_jobs,
    enqueue,
    publish,
    revive,
    schema,
)
from privity_postgres.testing import DatabaseUrls

Sessions = async_sessionmaker[AsyncSession]
Until = Callable[..., Awaitable[None]]


def packed() -> Event:
    now = datetime.now(UTC)
    data = {"order_id": mint("ord")}
    return Event(id=mint("evt"), type="order.packed", occurred_at=now, data=data)


async def waiting(sessions: Sessions) -> int:
    async with sessions() as tx:
        return await tx.scalar(select(func.count()).select_from(QueuedJob)) or 0


async def test_a_job_exists_only_when_its_transaction_commits(sessions: Sessions) -> None:
    async with sessions() as tx:
        await enqueue(tx, "dispatch", {"shipment_id": mint("shp")})
        publish(tx, packed())
        await tx.flush()
        await tx.rollback()
    assert await waiting(sessions) == 0

    async with sessions.begin() as tx:
        await enqueue(tx, "dispatch", {"shipment_id": mint("shp")})
        publish(tx, packed())

    assert await waiting(sessions) == 2


async def test_the_same_key_is_one_job(sessions: Sessions) -> None:
    for _ in range(3):
        async with sessions.begin() as tx:
            await enqueue(tx, "dispatch", {"n": 1}, key="a")
    async with sessions.begin() as tx:
        await enqueue(tx, "dispatch", {"n": 1}, key="b")
        await enqueue(tx, "other", {"n": 1}, key="a")

    assert await waiting(sessions) == 3


@pytest.mark.parametrize(
    "personal",
    ["Maria Lopez", "maria@example.org", "+49301234567", "Zoë", "s1:key/x", "", "12 High Street"],
)
async def test_text_that_could_be_somebodys_is_refused(sessions: Sessions, personal: str) -> None:
    async with sessions() as tx:
        for payload in ({"id": personal}, {"nested": {"id": personal}}, {"list": [personal]}):
            with pytest.raises(PersonalPayload) as refusal:
                await enqueue(tx, "dispatch", payload)
            assert personal == "" or personal not in str(refusal.value)


async def test_an_event_reaches_the_relay_as_it_was_published(
    engine: AsyncEngine, sessions: Sessions, until: Until
) -> None:
    relayed: list[Event] = []

    async def relay(job: Job) -> None:
        relayed.append(Event.model_validate(job.payload))

    event = packed()
    elsewhere = timezone(timedelta(hours=5, minutes=30))
    there = event.model_copy(update={"occurred_at": event.occurred_at.astimezone(elsewhere)})
    async with sessions.begin() as tx:
        publish(tx, there)
    async with Worker(engine, {EVENT: relay}):
        await until("SELECT count(*) FROM jobs", 0)

    assert relayed == [event]


async def test_what_is_committed_here_starts_without_waiting_for_the_poll(
    engine: AsyncEngine, sessions: Sessions, until: Until
) -> None:
    async def work(job: Job) -> None:
        pass

    async with Worker(engine, {"work": work}, poll=30):
        await until("SELECT 1", 1)
        async with sessions.begin() as tx:
            await enqueue(tx, "work", {})

        await until("SELECT count(*) FROM jobs", 0, seconds=3)


async def test_a_job_waits_for_its_time(
    engine: AsyncEngine, sessions: Sessions, until: Until
) -> None:
    ran: list[str] = []

    async def work(job: Job) -> None:
        ran.append(job.payload["name"])

    async with sessions.begin() as tx:
        later = datetime.now(UTC) + timedelta(hours=1)
        await enqueue(tx, "work", {"name": "later"}, run_at=later, key="later")
        await enqueue(tx, "work", {"name": "now"})
    async with Worker(engine, {"work": work}, poll=0.05):
        await until("SELECT count(*) FROM jobs", 1)
        assert ran == ["now"]

        async with sessions.begin() as tx:
            await enqueue(tx, "work", {"name": "later"}, key="later")
        await until("SELECT count(*) FROM jobs", 0)

    assert ran == ["now", "later"]


async def test_asked_for_while_it_runs_it_runs_once_more(
    engine: AsyncEngine, sessions: Sessions, until: Until
) -> None:
    ran = 0

    async def work(job: Job) -> None:
        nonlocal ran
        ran += 1
        if ran == 1:
            for _ in range(3):
                async with sessions.begin() as tx:
                    await enqueue(tx, "work", {}, key="k")

    async with sessions.begin() as tx:
        await enqueue(tx, "work", {}, key="k")
    async with Worker(engine, {"work": work}, poll=0.05):
        await until("SELECT count(*) FROM jobs", 0)

    assert ran == 2


async def test_a_dead_job_is_kept_with_its_reason_and_can_be_revived(
    engine: AsyncEngine, sessions: Sessions, until: Until
) -> None:
    healthy = False

    async def work(job: Job) -> None:
        if not healthy:
            raise RetryLater("status_503")

    async with sessions.begin() as tx:
        await enqueue(tx, "work", {"id": "a"}, key="a")
        await enqueue(tx, "work", {"id": "b"}, key="b")
    retry = Retry(first=0.01, cap=0.02, attempts=3)
    async with Worker(engine, {"work": work}, poll=0.02, retry=retry):
        await until("SELECT count(*) FROM jobs WHERE dead_at IS NOT NULL", 2)
        async with sessions() as tx:
            dead = await dead_jobs(tx)
        assert {(job.last_failure, job.attempts) for job in dead} == {("status_503", 3)}

        healthy = True
        async with sessions.begin() as tx:
            await enqueue(tx, "work", {"id": "a"}, key="a")  # asked for again
            by_hand = next(job.id for job in dead if job.key == "b")
            assert await revive(tx, by_hand)
        await until("SELECT count(*) FROM jobs", 0)

    async with sessions.begin() as tx:
        assert not await revive(tx, by_hand)


async def test_the_model_and_the_migration_agree(urls: DatabaseUrls) -> None:
    metadata = MetaData()
    schema.declare(metadata)

    found = await differences(urls.owner, metadata)

    assert [difference[0] for difference in found] == ["remove_table"]  # the tests' own table


async def test_the_services_role_cannot_change_the_table(engine: AsyncEngine) -> None:
    for statement in ("ALTER TABLE jobs ADD x int", "DROP TABLE jobs", "TRUNCATE jobs"):
        with pytest.raises(Exception, match=r"permission|owner"):
            async with engine.begin() as connection:
                await connection.execute(text(statement))
