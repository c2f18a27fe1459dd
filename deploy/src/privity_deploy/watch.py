"""What happens when a process ends that nobody asked to end."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque

from privity_deploy.child import Child
from privity_deploy.stack import Stack
from privity_deploy.startup import START_SECONDS, Report
from privity_deploy.tables import POSTGRES

RESTARTS = 5
WITHIN_SECONDS = 60.0


class GaveUp(Exception):
    """A process keeps ending; running on without it would only look like a shop."""


def watch(
    stack: Stack, *, stopping: threading.Event, report: Report, seconds_between: float = 0.1
) -> None:
    """Starts what ended again, until asked to stop or until it ends too often."""
    watched = _Watched(stack, report)
    while not stopping.wait(seconds_between):
        watched.look(time.monotonic())


class _Watched:
    """Nobody is waited for: one that cannot be healthy before another is must not keep that one
    from being started again."""

    def __init__(self, stack: Stack, report: Report) -> None:
        self._stack = stack
        self._report = report
        self._waits_for = {each.name: each.waits_for for each in stack.places.tables.processes}
        self._ends: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=RESTARTS))
        self._down: dict[str, Child] = {}
        self._coming: dict[str, Child] = {}

    def look(self, now: float) -> None:
        """Raises GaveUp."""
        stack = self._stack
        if stack.owns_postgres and stack.process_id(POSTGRES) is None:
            self._count(POSTGRES, f"(its log: {stack.postgres.log_file})", now)
            stack.restart(POSTGRES)
            self._report(f"{POSTGRES} runs again")
        for child in stack.ended():
            if child.name not in self._down:
                self._coming.pop(child.name, None)
                self._count(child.name, child.how_it_ended, now)
                self._down[child.name] = child
        for name, child in list(self._down.items()):
            if not {*self._down, *self._coming}.intersection(self._waits_for[name]):
                child.end()
                child.start()
                self._coming[name] = self._down.pop(name)
        for name, child in list(self._coming.items()):
            if child.is_healthy():
                self._report(f"{name} runs again")
                del self._coming[name]
            elif child.age > START_SECONDS:
                self._report(f"{name} did not come back: not healthy after {START_SECONDS:.0f} s")
                del self._coming[name]

    def _count(self, name: str, how: str, now: float) -> None:
        earlier = self._ends[name]
        if len(earlier) == RESTARTS and now - earlier[0] < WITHIN_SECONDS:
            raise GaveUp(f"{name} ended {RESTARTS + 1} times within a minute, last {how}")
        earlier.append(now)
        self._report(f"{name} ended {how}")
