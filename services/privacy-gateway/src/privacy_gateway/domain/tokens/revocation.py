"""Revoked tokens: at once in this process, within two seconds in every other.

Each process keeps the set in memory and follows the table: woken by a notification, and reading it
each second in case one was lost. A process that has heard nothing for five seconds honours no
token: a revocation it cannot know of may be the one that matters.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import asyncpg
import structlog
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.clients.line import for_driver
from privacy_gateway.domain.tokens.jose import LONGEST_LIFETIME, Claims
from privacy_gateway.models import Revocation
from privity_database import Database
from privity_rest import Unavailable
from privity_rest.background import beside

CHANNEL = "privity_revocations"
KINDS = frozenset({"token", "session", "actor", "work"})
POLL_SECONDS = 1.0
STALE_SECONDS = 5.0
RETRY_SECONDS = 0.5
ANSWER_SECONDS = 2.0
# A row is stamped before it is committed: reading back this far finds those that were slow.
OVERLAP = timedelta(seconds=30)
EVER = datetime(1970, 1, 1, tzinfo=UTC)
_READ = """
SELECT kind, value, until, issued_until FROM revocations
WHERE recorded_at > $1 AND until > $2
"""
_PURGE = "DELETE FROM revocations WHERE until < $1"
_POLLS_PER_PURGE = 600
_ALL = 2**62  # stands for null where SQL compares

_log = structlog.get_logger("privity.revocations")


class RevocationsUnknown(Unavailable):
    code = "revocations_unknown"
    title = "Whether the token was revoked cannot be told right now"


class Revocations:
    """The revoked tokens, as far as this process knows, and how fresh that knowledge is."""

    def __init__(
        self, database: Database, url: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._url = for_driver(url)
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[datetime, int | None]] = {}
        self._confirmed_at = float("-inf")
        self._poke = asyncio.Event()
        self._has_read = asyncio.Event()
        self._next_read = asyncio.Event()
        self.generation = 0
        """Grows with every change, so that what was checked before is checked again."""

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Begins with what is known already; without an answer it begins knowing nothing, and then
        `require_fresh` refuses."""
        async with beside(self._follow(), name="revocations"):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STALE_SECONDS):
                    await self._has_read.wait()
            yield

    def require_fresh(self) -> None:
        """Raises RevocationsUnknown when this process may have missed a revocation."""
        if self._clock() - self._confirmed_at > STALE_SECONDS:
            raise RevocationsUnknown

    def covers(self, claims: Claims) -> bool:
        names = (
            ("token", claims.token_id),
            ("actor", claims.subject),
            ("session", claims.session),
            ("work", claims.work),
        )
        for kind, value in names:
            found = self._known.get((kind, value)) if value is not None else None
            if found is not None and (found[1] is None or claims.issued_at <= found[1]):
                return True
        return False

    def until(self, kind: str, value: str) -> int | None:
        """The second up to which tokens of this kind are revoked, if only up to one."""
        found = self._known.get((kind, value))
        return found[1] if found is not None else None

    async def catch_up(self) -> None:
        """What was stored by now is known afterwards, or after two seconds at the most."""
        asked_at = self._clock()
        self._poke.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                while self._confirmed_at < asked_at:
                    await self._next_read.wait()

    async def revoke(
        self, kind: str, value: str, *, now: float, issued_until: int | None = None
    ) -> None:
        """Takes effect here before it is stored: losing the store must not keep a token alive.

        `issued_until`: only tokens issued up to that second, for actors who may sign in again.
        """
        until = datetime.fromtimestamp(now + max(LONGEST_LIFETIME.values()) + 60, UTC)
        self._learn([(kind, value, until, issued_until)])
        async with self._database.transaction() as tx:
            await store(tx, kind, value, until=until, issued_until=issued_until)

    def _learn(self, rows: list[tuple[str, str, datetime, int | None]]) -> None:
        for kind, value, until, issued_until in rows:
            entry = (until, issued_until)
            before = self._known.get((kind, value))
            if before is not None:
                entry = _wider(before, entry)
            if entry != before:
                self._known[kind, value] = entry
                self.generation += 1

    async def _follow(self) -> None:
        while True:
            try:
                await self._follow_one_connection()
            except Exception as exc:  # noqa: BLE001  # the worker: ended, it would hear of nothing
                _log.warning("revocation_feed_lost", exception=type(exc).__name__)
            await asyncio.sleep(RETRY_SECONDS)

    async def _follow_one_connection(self) -> None:
        connection = await asyncpg.connect(
            self._url,
            timeout=ANSWER_SECONDS,
            command_timeout=ANSWER_SECONDS,
            server_settings={"application_name": "privity-revocations", "jit": "off"},
        )
        try:
            await connection.add_listener(CHANNEL, lambda *_: self._poke.set())
            since, polls = EVER, 0
            while True:
                since = await self._read(connection, since, purge=polls % _POLLS_PER_PURGE == 0)
                polls += 1
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._poke.wait()
        finally:
            connection.terminate()

    async def _read(
        self, connection: "asyncpg.Connection", since: datetime, *, purge: bool
    ) -> datetime:
        """Reads what is new and gives the moment from which the next reading starts."""
        self._poke.clear()
        asked_at = self._clock()
        now: datetime = await connection.fetchval("SELECT clock_timestamp()")
        rows = await connection.fetch(_READ, since, now)
        self._learn([tuple(row) for row in rows])
        self._confirmed_at = asked_at
        self._has_read.set()
        self._next_read.set()
        self._next_read = asyncio.Event()
        if purge:
            await connection.execute(_PURGE, now)
            self._known = {key: entry for key, entry in self._known.items() if entry[0] > now}
        return now - OVERLAP


async def store(
    tx: AsyncSession, kind: str, value: str, *, until: datetime, issued_until: int | None = None
) -> None:
    """Within a transaction of the caller's; every process hears of it when that commits."""
    if kind not in KINDS:
        raise ValueError(f"no such kind of revocation: {kind}")
    row = insert(Revocation).values(kind=kind, value=value, until=until, issued_until=issued_until)
    new = row.excluded
    # A revocation never gets weaker: the later end, and all tokens over some.
    wider = func.nullif(
        func.greatest(
            func.coalesce(Revocation.issued_until, _ALL), func.coalesce(new.issued_until, _ALL)
        ),
        _ALL,
    )
    row = row.on_conflict_do_update(
        index_elements=[Revocation.kind, Revocation.value],
        set_={
            "until": func.greatest(Revocation.until, new.until),
            "issued_until": wider,
            "recorded_at": func.clock_timestamp(),
        },
    )
    await tx.execute(row)
    await tx.execute(select(func.pg_notify(CHANNEL, "")))


def _wider(
    one: tuple[datetime, int | None], other: tuple[datetime, int | None]
) -> tuple[datetime, int | None]:
    cutoffs = (one[1], other[1])
    known = [cutoff for cutoff in cutoffs if cutoff is not None]
    return max(one[0], other[0]), max(known) if len(known) == len(cutoffs) else None
