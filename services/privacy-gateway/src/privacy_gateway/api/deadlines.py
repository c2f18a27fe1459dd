"""Deadlines of one length for many requests, watched by one timer.

`asyncio.timeout` sets a timer for each request and nearly always takes it away again. Here the
oldest is looked at when its time has come, and whoever ended before was only crossed off.
"""

import asyncio


class Deadlines:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._running: dict[asyncio.Timeout, float] = {}  # the oldest first: all are equally long
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> asyncio.Timeout:
        """To be entered at once, and to be ended whatever happens."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._timer = loop, None
            self._running.clear()
        at = loop.time() + self.seconds
        deadline = asyncio.Timeout(None)
        self._running[deadline] = at
        if self._timer is None:
            self._timer = loop.call_at(at, self._look)
        return deadline

    def end(self, deadline: asyncio.Timeout) -> None:
        self._running.pop(deadline, None)

    def extend(self, deadline: asyncio.Timeout) -> None:
        """From now on as long again, by a timer of its own. One that has expired stays so."""
        self._running.pop(deadline, None)
        if not deadline.expired():
            deadline.reschedule(asyncio.get_running_loop().time() + self.seconds)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._timer = None
        for deadline, at in list(self._running.items()):
            if at > now:
                self._timer = loop.call_at(at, self._look)
                return
            del self._running[deadline]
            deadline.reschedule(now)
