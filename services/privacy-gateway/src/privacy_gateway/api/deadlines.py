"""Deadlines of one length for many requests, watched by one timer.

`asyncio.timeout` sets a timer for each request and nearly always takes it away again, and enters
and leaves through coroutines. Here the oldest is looked at when its time has come, and whoever
ended before was only crossed off.
"""

import asyncio
from types import TracebackType


class Deadline:
    """Of one request: a context manager that raises TimeoutError once it has passed."""

    __slots__ = ("_all", "_cancelling", "_task", "passed")

    def __init__(self, every: "Deadlines", task: "asyncio.Task[object]") -> None:
        self._all = every
        self._task = task
        self._cancelling = task.cancelling()
        self.passed = False

    def __enter__(self) -> "Deadline":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._all.end(self)
        # Somebody else may have cancelled too: then that is what it is, as in `asyncio.timeout`.
        ours = self.passed and self._task.uncancel() <= self._cancelling
        if ours and kind is asyncio.CancelledError:
            raise TimeoutError from raised

    def cancel(self) -> None:
        self.passed = True
        self._task.cancel()


class Deadlines:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._running: dict[Deadline, float] = {}  # the oldest first: all are equally long
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> Deadline:
        """Of the task that calls; to be entered at once."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("a deadline is a task's")
        if loop is not self._loop:
            self._loop, self._timer = loop, None
            self._running.clear()
        deadline = Deadline(self, task)
        self._running[deadline] = at = loop.time() + self.seconds
        if self._timer is None:
            self._timer = loop.call_at(at, self._look)
        return deadline

    def end(self, deadline: Deadline) -> None:
        self._running.pop(deadline, None)

    def extend(self, deadline: Deadline) -> None:
        """From now on as long again. One that has passed stays so."""
        if self._running.pop(deadline, None) is not None:
            self._running[deadline] = asyncio.get_running_loop().time() + self.seconds

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._timer = None
        for deadline, at in list(self._running.items()):
            if at > now:
                self._timer = loop.call_at(at, self._look)
                return
            del self._running[deadline]
            deadline.cancel()
