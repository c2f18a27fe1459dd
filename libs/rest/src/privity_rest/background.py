"""What runs beside the answering of requests, and ends with it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import structlog

from privity_rest.problems import where

AGAIN_SECONDS = 5.0

_log = structlog.get_logger("privity.background")


@contextlib.asynccontextmanager
async def beside(work: Coroutine[Any, Any, None], *, name: str) -> AsyncIterator[None]:
    """Runs `work` as a task of that name until the block ends."""
    task = start(work, name=name)
    try:
        yield
    finally:
        await end(task)


def start(work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
    """The task, which somebody has to hold; `end` ends it. Should it fail, that is said at once."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_tell)
    return task


def _tell(task: asyncio.Task[Any]) -> None:
    # Asked for here, or asyncio would log the message too, which may carry a value.
    if not task.cancelled() and (failure := task.exception()) is not None:
        kind = type(failure).__qualname__
        _log.error("background_failed", task=task.get_name(), exception=kind, where=where(failure))


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancels the tasks and comes back when all have ended.

    It asks again after five seconds. A cancellation is lost when what the task awaits takes it for
    its own, as Python 3.11's `asyncio.wait_for` does with one that comes together with the answer
    (https://github.com/python/cpython/issues/86296), and who waited for the task waited for ever.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_SECONDS)
