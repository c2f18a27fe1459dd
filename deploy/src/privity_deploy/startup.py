"""The order of a start: each process after what it waits for, those that can together."""

from __future__ import annotations

import compileall
import errno
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from privity_deploy.child import Child
from privity_deploy.tables import POSTGRES, Process
from privity_postgres import UnusablePlace

START_SECONDS = 90.0
Report = Callable[[str], None]


class StartFailed(Exception):
    """A process did not become healthy; the message holds its last words."""


class Interrupted(Exception):
    """Asked to stop while still starting."""


def interrupt_once() -> None:
    """Asked to end, in whatever way, we take down what we set up; asked again, we still do."""
    asked = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(*_: object) -> None:
        for number in asked:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in asked:
        signal.signal(number, end)


@contextmanager
def told_of_the_disk(folder: Path) -> Iterator[None]:
    """One that is full, or not to be written to, is no bug of ours."""
    try:
        yield
    except OSError as failure:
        if failure.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}:
            raise
        raise UnusablePlace(f"{failure.strerror}: {failure.filename or folder}") from failure


def compile_sources(root: Path) -> None:
    """Ahead: a process that starts again after a crash need not compile what it imports."""
    for folder in (*root.glob("*/src"), *root.glob("*/*/src")):
        compileall.compile_dir(folder, quiet=2)


def start_in_order(
    processes: Iterable[Process],
    children: Mapping[str, Child],
    *,
    report: Report,
    stopping: threading.Event,
) -> None:
    """Returns when all are healthy. The database is, already."""
    waiting = {process.name: process for process in processes}
    starting: list[Child] = []
    healthy = {POSTGRES}
    while waiting or starting:
        for name in [name for name, p in waiting.items() if healthy.issuperset(p.waits_for)]:
            del waiting[name]
            children[name].keep_old_log()
            children[name].start()
            starting.append(children[name])
        for child in await_one(starting, stopping=stopping):
            report(f"{child.name:<20} ready after {child.age:.1f} s")
            healthy.add(child.name)
            starting.remove(child)


def await_one(starting: Collection[Child], *, stopping: threading.Event) -> list[Child]:
    """Waits until at least one of them is healthy, and says which are."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if healthy := [child for child in starting if child.is_healthy()]:
            return healthy
        for child in starting:
            if child.exit_code is not None:
                raise StartFailed(f"{child.name} ended {child.how_it_ended}")
        if stopping.wait(0.05):
            raise Interrupted
    names = ", ".join(child.name for child in starting)
    raise StartFailed(f"still not healthy after {START_SECONDS:.0f} s: {names}")
