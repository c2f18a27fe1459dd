"""Records as they come, for a reviewer who watches: in the log's order, none twice, none left out.

Reading is recorded before it begins and again for every minute in which it goes on. It ends with
the grant, wherever that is ended.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from privacy_gateway.domain.audit.matching import Matching
from privacy_gateway.domain.audit.tail import Tail
from privity_rest import TooMany, Unavailable

MOST_STREAMS: Final = 32
_STRETCH: Final = 200
_RECORDED_FOR: Final = 60.0
_LOOK_EVERY: Final = 0.5
HEARTBEAT: Final = 10.0
"""A stream that is silent for longer would be taken for a slow answer."""


class TooManyStreams(TooMany):
    code = "too_many_streams"


@dataclass(frozen=True, slots=True)
class Event:
    """`index` is where to go on after it; nothing happened at a heartbeat."""

    kind: Literal["record", "altered", "heartbeat", "end"]
    index: int
    content: Any = None


@dataclass(frozen=True, slots=True)
class Reader:
    """`record` writes down that reading goes on; `may_read` says whether the grant still holds."""

    record: Callable[[], Awaitable[None]]
    may_read: Callable[[], bool]


class Streams:
    """All streams of this process."""

    def __init__(self, tail: Tail, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._tail = tail
        self._clock = clock
        self.open = 0

    async def start(self, after: int | None) -> int:
        """The index from which on to read: after the last that was seen, or what is new."""
        if self.open >= MOST_STREAMS:
            raise TooManyStreams(retry_after=30)
        return await self._tail.size() if after is None else after + 1

    async def follow(
        self, index: int, *, matching: Matching, reader: Reader
    ) -> AsyncGenerator[Event]:
        """`reader.record` was called once already, before this."""
        self.open += 1
        recorded = spoke = self._clock()
        try:
            while reader.may_read():
                now = self._clock()
                stretch = await self._tail.since(index, limit=_STRETCH)
                if stretch.entries and now - recorded >= _RECORDED_FOR:
                    await reader.record()
                    recorded = now
                for entry in stretch.entries:
                    if entry.members is None:
                        yield Event("altered", entry.index, entry.record_id)
                    elif await matching.holds(entry.members):
                        yield Event("record", entry.index, entry.members)
                        spoke = now
                moved, index = index != stretch.next_index, stretch.next_index
                if now - spoke >= HEARTBEAT:
                    spoke = now
                    yield Event("heartbeat", index - 1)
                if not moved:
                    await asyncio.sleep(_LOOK_EVERY)
            yield Event("end", index - 1, "grant_ended")
        except Unavailable as refusal:
            yield Event("end", index - 1, refusal.code)
        finally:
            self.open -= 1
