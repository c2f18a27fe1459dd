"""A gateway that stops stops everything at once: one after the other would take too long."""

import asyncio
import contextlib


def at_work():
    return {task for task in asyncio.all_tasks() if task.get_name() == "worker"}


async def test_no_worker_is_waited_for_before_all_are_told_to_stop(starting):
    others = at_work()
    seen = []
    async with contextlib.AsyncExitStack() as stack:
        await starting(stack)
        tasks = at_work() - others
        workers = [task.get_coro().cr_frame.f_locals["self"] for task in tasks]
        for task in tasks:
            task.add_done_callback(lambda _: seen.append([one._stopping for one in workers]))

    assert seen == [[True] * 3] * 3
