"""Work beside the requests ends with them, whatever it was doing."""

import asyncio

import pytest
from structlog.testing import capture_logs

from privity_rest import background
from privity_rest.background import beside, end


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(background, "AGAIN_SECONDS", 0.05)


async def test_work_runs_while_the_block_does():
    steps = 0

    async def work():
        nonlocal steps
        while True:
            steps += 1
            await asyncio.sleep(0)

    async with beside(work(), name="counting"):
        await asyncio.sleep(0.01)
        assert "counting" in {task.get_name() for task in asyncio.all_tasks()}
    seen = steps
    await asyncio.sleep(0.01)

    assert seen == steps > 0


async def test_a_cancellation_that_is_lost_is_repeated():
    lost = []

    async def work():
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if lost:
                    raise
                lost.append(True)

    async with asyncio.timeout(5):
        async with beside(work(), name="deaf once"):
            await asyncio.sleep(0)

    assert lost


async def test_work_that_failed_is_told_of_at_once_and_without_its_message():
    async def work():
        raise OSError("Ada Lovelace")

    with capture_logs() as logs:
        async with beside(work(), name="failing"):
            await asyncio.sleep(0.01)
            told = list(logs)

    assert told == logs
    assert [(line["task"], line["exception"]) for line in logs] == [("failing", "OSError")]
    assert "Ada" not in str(logs)


async def test_nothing_to_end_is_no_wait():
    await end()
