"""A view that a service publishes: rows of sealed values, read without asking the service.

Whoever asks joins the next query, and one is under way at a time: the busier it is, the less a
row costs. What is not found, for whatever reason, the service is asked for.
"""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import structlog

from privacy_gateway.clients.line import Line, LineFailed

Row = dict[str, Any]
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_PAUSE_SECONDS = 5.0
_MOST_AT_ONCE = 500
# There is one way to read a few rows by their key, however many there are: the index.
_SETTINGS = {
    "default_transaction_read_only": "on",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
_log = structlog.get_logger("privity.published")


@dataclass(frozen=True, slots=True)
class View:
    name: str
    key: str
    subject: str
    columns: tuple[str, ...]

    @property
    def statement(self) -> str:
        """Raises ValueError for a name that would need quoting."""
        names = (self.name, self.key, self.subject, *self.columns)
        if not all(map(NAME.fullmatch, names)):
            raise ValueError("not a plain lower-case name")
        columns = ", ".join(f"v.{column}" for column in self.columns)
        return (
            f"SELECT {columns} FROM"  # noqa: S608  # checked above
            " unnest(string_to_array($1, ' '), string_to_array($2, ' ')) AS asked (key, subject)"
            f" JOIN published.{self.name} AS v"
            f" ON v.{self.key} = asked.key AND v.{self.subject} = asked.subject"
        )


class Published:
    """Reads one view, over a connection of its own."""

    def __init__(
        self,
        url: str,
        view: View,
        *,
        deadline_seconds: float = 0.4,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`url` signs in as a role that can read published views and nothing else."""
        self._view = view
        self._statement = view.statement
        self._line = Line(
            url, name="privity-published", deadline_seconds=deadline_seconds, settings=_SETTINGS
        )
        self._clock = clock
        self._waiting: list[tuple[tuple[str, str], asyncio.Future[Row | None]]] = []
        self._working: asyncio.Task[None] | None = None
        self._again_at = float("-inf")

    def close(self) -> None:
        if self._working is not None:
            self._working.cancel()
        self._line.cut()

    async def row(self, key: str, *, subject: str) -> Row | None:
        """The row with this key if it is this subject's; nothing when it cannot be had here."""
        if self._clock() < self._again_at or " " in key or " " in subject:
            return None
        asked = asyncio.get_running_loop().create_future()
        self._waiting.append(((key, subject), asked))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work(), name=self._view.name)
        found: Row | None = await asked
        return found

    async def _work(self) -> None:
        while self._waiting:
            batch = self._waiting[:_MOST_AT_ONCE]
            del self._waiting[:_MOST_AT_ONCE]
            rows: dict[tuple[str, str], Row] = {}
            try:
                rows = await self._read({pair for pair, _ in batch})
            except (LineFailed, asyncpg.PostgresError) as exc:
                # Not there (yet), not ours to read, or the server is gone: not asked for a while.
                self._again_at = self._clock() + _PAUSE_SECONDS
                _log.warning("view_not_read", view=self._view.name, reason=type(exc).__name__)
            finally:
                for pair, asked in batch:
                    if not asked.done():
                        asked.set_result(rows.get(pair))

    async def _read(self, pairs: set[tuple[str, str]]) -> dict[tuple[str, str], Row]:
        if not self._line.connected:
            await self._line.connect()
        # Texts: of an array the driver looks at each element several times.
        keys, subjects = (" ".join(each) for each in zip(*pairs, strict=True))
        found = await self._line.fetch(self._statement, keys, subjects)
        key, subject = self._view.key, self._view.subject
        return {(row[key], row[subject]): dict(row) for row in found}
