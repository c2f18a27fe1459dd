"""What happens when a process ends that nobody asked to end."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque

from privity_deploy.stack import Stack
from privity_deploy.startup import Interrupted, Report, StartFailed
from privity_deploy.tables import POSTGRES

RESTARTS = 5
WITHIN_SECONDS = 60.0


class GaveUp(Exception):
    """A process keeps ending; running on without it would only look like a shop."""


def watch(
    stack: Stack, *, stopping: threading.Event, report: Report, seconds_between: float = 0.1
) -> None:
    """Starts what ended again, until asked to stop or until it ends too often."""
    restarts: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=RESTARTS))
    while not stopping.wait(seconds_between):
        for name, how in _ended(stack):
            now = time.monotonic()
            earlier = restarts[name]
            if len(earlier) == RESTARTS and now - earlier[0] < WITHIN_SECONDS:
                raise GaveUp(f"{name} ended {RESTARTS + 1} times within a minute, last {how}")
            earlier.append(now)
            report(f"{name} ended {how}")
            try:
                stack.restart(name)
                report(f"{name} runs again")
            except StartFailed as failure:
                report(f"{name} did not come back: {failure}")
            except Interrupted:
                return


def _ended(stack: Stack) -> list[tuple[str, str]]:
    ended = [(child.name, child.how_it_ended) for child in stack.ended()]
    if stack.owns_postgres and stack.process_id(POSTGRES) is None:
        ended.insert(0, (POSTGRES, f"(its log: {stack.postgres.log_file})"))
    return ended
