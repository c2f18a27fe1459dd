"""How far this process's batches have come in the log: asked once a second, not once a request.

What is not in a signed checkpoint after a while may never be: then nothing new is given out. What
a witness has cosigned needs no copy of ours any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator

import structlog

from privacy_gateway.clients.line import Lines
from privacy_gateway.domain.audit.chain import Chain
from privity_rest.background import beside

_REACHED = """
SELECT process_id,
       (SELECT l.number FROM log_batches AS l WHERE l.process_id = known.process_id
          AND l.first_index + l.records <= heads.signed ORDER BY l.number DESC LIMIT 1) AS signed,
       (SELECT l.number FROM log_batches AS l WHERE l.process_id = known.process_id
          AND l.first_index + l.records <= heads.cosigned ORDER BY l.number DESC LIMIT 1)
       AS cosigned
FROM unnest($1::text[]) AS known (process_id), (
    SELECT (SELECT coalesce(max(size), 0) FROM checkpoints) AS signed,
           (SELECT coalesce(max(size), 0) FROM checkpoints WHERE cosigned) AS cosigned
) AS heads
"""
_MONTHS_EVERY = 3600
_log = structlog.get_logger("privity.audit")


class Sequenced:
    def __init__(
        self,
        url: str,
        chain: Chain,
        *,
        behind_after_seconds: float,
        keep_seconds: float,
        every_seconds: float = 1.0,
    ) -> None:
        self._lines = Lines(url, name="privity-audit-sequenced", deadline_seconds=2, count=1)
        self._chain = chain
        self._behind_after = behind_after_seconds
        self._keep = keep_seconds
        self._every = every_seconds
        self._written: deque[tuple[int, float]] = deque()
        self._months_at = time.monotonic()
        self.behind_seconds = 0.0
        self.is_behind = False

    def wrote(self, number: int) -> None:
        """A batch of this process is durable, and waits for its place in the log."""
        self._written.append((number, time.monotonic()))

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        try:
            async with beside(self._follow(), name="audit log sequenced"):
                yield
        finally:
            self._lines.cut()

    async def _follow(self) -> None:
        while True:
            try:
                await self.look()
            except Exception as exc:  # noqa: BLE001  # the outermost loop: it has to judge on
                _log.warning("sequencing_unknown", reason=type(exc).__name__)
            self._judge()
            await asyncio.sleep(self._every)

    async def look(self) -> None:
        """Raises LineFailed."""
        now = time.monotonic()
        if now - self._months_at > _MONTHS_EVERY:
            await self._lines.fetch("SELECT make_months(2)")
            self._months_at = now
        rows = await self._lines.fetch(_REACHED, self._chain.processes())
        reached = {row["process_id"]: row for row in rows}
        own = reached[self._chain.process_id]["signed"]
        while self._written and own is not None and self._written[0][0] <= own:
            self._written.popleft()
        cosigned = {
            process: row["cosigned"]
            for process, row in reached.items()
            if row["cosigned"] is not None
        }
        await self._chain.drop(cosigned, keep_seconds=self._keep)

    def _judge(self) -> None:
        waiting = self._written
        self.behind_seconds = time.monotonic() - waiting[0][1] if waiting else 0.0
        behind = self.behind_seconds > self._behind_after
        if behind != self.is_behind:
            event = "sequencing_behind" if behind else "sequencing_caught_up"
            _log.error(event, seconds=round(self.behind_seconds, 1))
        self.is_behind = behind
