"""When a job that failed is tried again, and when it is given up."""

import random
from collections.abc import Callable
from dataclasses import dataclass


class RetryLater(Exception):
    """Raised by a handler whose work cannot be done yet. `reason` is a code, kept with the job."""

    def __init__(self, reason: str, *, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Retry:
    """Doubling pauses with a quarter of jitter, capped. The default gives up after about a day."""

    first: float = 1.0
    cap: float = 300.0
    attempts: int = 300

    def delay(
        self,
        attempt: int,
        *,
        asked: float | None = None,
        chance: Callable[[float, float], float] = random.uniform,
    ) -> float:
        """Seconds until the next attempt. What the other side `asked` for is a lower bound, up to
        the cap: a partner cannot put us off for good."""
        pause = min(self.cap, self.first * 2.0 ** min(attempt - 1, 32))
        if asked is not None:
            pause = min(self.cap, max(pause, asked))
        return pause * chance(0.75, 1.25)
