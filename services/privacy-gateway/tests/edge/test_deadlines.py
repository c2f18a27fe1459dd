"""Many deadlines of one length keep each request to it, and no other."""

import asyncio

import pytest

from privacy_gateway.api.deadlines import Deadlines


async def within(deadlines, seconds, *, kept=None):
    deadline = deadlines.begin()
    try:
        with deadline:
            for _ in range(kept or 0):
                await asyncio.sleep(deadlines.seconds * 0.7)
                deadlines.extend(deadline)
            await asyncio.sleep(seconds)
    except TimeoutError:
        return "late"
    return "in time"


async def test_who_is_late_is_stopped_and_who_is_not_is_left_alone():
    deadlines = Deadlines(0.2)

    async def begun_later():
        await asyncio.sleep(0.15)
        return await within(deadlines, 0.1), await within(deadlines, 60)

    ended = await asyncio.gather(within(deadlines, 60), within(deadlines, 0), begun_later())

    assert ended == ["late", "in time", ("in time", "late")]


async def test_nobody_is_left_behind_when_the_oldest_ended_long_ago():
    deadlines = Deadlines(0.1)
    for _ in range(3):
        assert await within(deadlines, 0) == "in time"
        assert await within(deadlines, 60) == "late"

    assert deadlines._running == {}


async def test_what_keeps_coming_may_take_longer_and_what_stops_may_not():
    deadlines = Deadlines(0.2)

    ended = await asyncio.gather(
        within(deadlines, 0, kept=4), within(deadlines, 60, kept=4), within(deadlines, 0)
    )

    assert ended == ["in time", "late", "in time"]


async def test_somebody_elses_cancelling_stays_cancelling():
    deadlines = Deadlines(60)
    task = asyncio.create_task(within(deadlines, 60))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert deadlines._running == {}


async def test_somebody_elses_cancelling_at_the_same_time_is_not_taken_for_being_late():
    deadlines = Deadlines(0.05)
    task = asyncio.create_task(within(deadlines, 60))
    await asyncio.sleep(0)
    (deadline,) = deadlines._running

    deadline.cancel()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


def test_another_loop_has_timers_of_its_own():
    deadlines = Deadlines(0.05)

    async def left_behind():
        deadlines.begin()

    asyncio.run(left_behind())

    assert asyncio.run(within(deadlines, 60)) == "late"
