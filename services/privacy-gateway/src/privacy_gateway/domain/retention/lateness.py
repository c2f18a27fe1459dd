"""What is late, looked at again and again: for the figures, and for whoever reads the log.

A number that could not be read is no zero: the figure says when it was true, and before the first
look there is none.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from privacy_gateway.domain.deletion import partners
from privacy_gateway.domain.policy.in_force import PolicyInForce
from privacy_gateway.domain.retention.dueness import overdue
from privity_database import Database
from privity_rest import Unavailable
from privity_rest.background import beside

LOOK_SECONDS: Final = 60.0
GRACE: Final = timedelta(days=1)
"""The sweep runs once a night, so what became due since the last one is not late."""
_log = structlog.get_logger("privity.retention")


class Lateness:
    def __init__(
        self,
        database: Database,
        policies: PolicyInForce,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._policies = policies
        self._clock = clock
        self.overdue = 0
        self.purges = partners.Open(open=0, overdue=0)
        self.looked_at: datetime | None = None

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        async with beside(self._follow(), name="lateness"):
            yield

    async def _follow(self) -> None:
        while True:
            try:
                await self.look()
            except Unavailable as exc:
                _log.warning("lateness_not_known", reason=exc.code)
            except Exception as exc:  # noqa: BLE001  # the worker: ended, its figures would stand
                _log.error("lateness_not_known", reason=type(exc).__name__)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        now, file = self._clock(), self._policies.current.file
        async with self._database.transaction() as tx:
            late = await overdue(tx, file, now=now, grace=GRACE.total_seconds())
            purges = await partners.count_open(tx, now=now)
        self.overdue, self.purges, self.looked_at = late, purges, now
        if late:
            _log.error("retention_overdue", classes=late)
