"""Doing the work: claims jobs, keeps their leases, retries what failed, survives its database."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import structlog
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.orm import Session

from privity_jobs import claims
from privity_jobs.claims import ClaimLost, Job
from privity_jobs.queue import ADDED
from privity_jobs.retrying import Retry, RetryLater
from privity_rest import Unavailable
from privity_rest.background import end, start
from privity_rest.problems import where

Handler = Callable[[Job], Awaitable[None]]
# The database is away. It comes back; the claims that we held meanwhile run out.
_AWAY = (SQLAlchemyError, OSError, TimeoutError)
_LAST_SECONDS = 0.5
"""For a question under way when the worker is stopped: a database that is gone gives no answer."""
_log = structlog.get_logger("privity.jobs")


@dataclass(slots=True, eq=False)
class _Attempt:
    job: Job
    deadline: float  # in the loop's time: then the lease is no longer surely ours
    guard: asyncio.Timeout | None = None  # while the handler runs


class Worker:
    """Runs the jobs of the given kinds until it is stopped.

    `lease` bounds how long a job rests when its worker is killed. A worker that cannot renew a
    lease ends the attempt before the lease ends, so nobody else can be at the same job; one that
    was frozen and wakes too late finds its claim gone and can end nothing.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        handlers: Mapping[str, Handler],
        *,
        concurrency: int = 16,
        lane_limit: int = 8,
        lease: float = 4.0,
        poll: float = 0.5,
        grace: float = 3.0,
        retry: Retry | None = None,
        retries: Mapping[str, Retry] | None = None,
    ) -> None:
        """`retry` holds for every kind that `retries` does not name; `grace` is how long stopping
        waits for what is under way."""
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._handlers = dict(handlers)
        self._concurrency = concurrency
        self._lane_limit = lane_limit
        self._lease = lease
        self._poll = poll
        self._grace = grace
        self._retry = retry or Retry()
        self._retries = dict(retries or {})
        self._attempts: dict[asyncio.Task[None], _Attempt] = {}
        self._ended: list[Job] = []
        self._ending = asyncio.Lock()
        self._wake = asyncio.Event()
        self._stopping = False
        self._stop_by = float("inf")
        self._asking: asyncio.Timeout | None = None
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._running = start(self.run(), name="worker")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        if self._running is not None:
            await self._running

    def stop(self) -> None:
        """`run` takes no more jobs, gives those under way their grace, and returns."""
        if self._stopping:
            return
        self._stopping = True
        self._wake.set()
        now = asyncio.get_running_loop().time()
        self._stop_by = now + self._grace
        if self._asking is not None and not self._asking.expired():
            self._asking.reschedule(now + _LAST_SECONDS)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()

        def committed(session: Session) -> None:
            # What this process enqueues starts at once; polling is for what others enqueue.
            if session.info.pop(ADDED, False):
                loop.call_soon_threadsafe(self._wake.set)

        event.listen(Session, "after_commit", committed)
        leases = start(self._keep_leases(), name="leases")
        try:
            while not self._stopping:
                self._wake.clear()
                if not await self._claim():
                    await self._rest()
        finally:
            event.remove(Session, "after_commit", committed)
            await end(leases, *await self._late())

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._poll):
                await self._wake.wait()

    async def _late(self) -> set[asyncio.Task[None]]:
        """The attempts that are still under way when their grace is over."""
        if not self._attempts:
            return set()
        left = self._stop_by - asyncio.get_running_loop().time()
        _, late = await asyncio.wait(list(self._attempts), timeout=min(self._grace, max(0, left)))
        return late

    async def _claim(self) -> bool:
        """True when there may be more to take at once."""
        free = self._concurrency - len(self._attempts)
        if free == 0:
            return False
        # Counted from before the question: our clock runs out before the database's does.
        asked_at = asyncio.get_running_loop().time()
        try:
            # An answer that comes after the lease claims nothing.
            async with asyncio.timeout(self._lease) as self._asking:
                async with self._engine.connect() as connection:
                    jobs = await claims.claim(
                        connection,
                        kinds=list(self._handlers),
                        free=free,
                        lane_limit=self._lane_limit,
                        busy=Counter(attempt.job.lane for attempt in self._attempts.values()),
                        lease=self._lease,
                    )
        except Exception as exc:  # noqa: BLE001  # the outermost loop of a worker
            _tell("database_away", exc)
            return False
        finally:
            self._asking = None
        for job in jobs:
            attempt = _Attempt(job, deadline=asked_at + self._lease * 0.9)
            task = asyncio.create_task(self._make(attempt))
            self._attempts[task] = attempt
            task.add_done_callback(self._made)
        return bool(jobs)

    def _made(self, task: asyncio.Task[None]) -> None:
        del self._attempts[task]
        self._wake.set()

    async def _make(self, attempt: _Attempt) -> None:
        """One attempt at one job, from its claim to its end."""
        job = attempt.job
        policy = self._retries.get(job.kind, self._retry)
        try:
            if job.attempt > policy.attempts:
                # Its last attempt never came back: whatever it does, it takes its worker along.
                await self._postpone(job, policy, failure="worker_lost")
                return
            job.is_last_attempt = job.attempt == policy.attempts
            failure, asked = await self._run(attempt)
            if failure is None:
                await self._end(job)
            else:
                await self._postpone(job, policy, failure=failure, asked=asked)
        except ClaimLost:
            _log.warning("claim_lost", job=job.id, kind=job.kind)
        except asyncio.CancelledError:
            await self._give_back(job)
            raise
        except Exception as exc:  # noqa: BLE001  # the outermost loop of a worker
            # It falls due again when its lease ends.
            _tell("end_not_written", exc, job=job.id)

    async def _give_back(self, job: Job) -> None:
        """At once, if the database answers; else it falls due again when its lease ends."""
        try:
            async with asyncio.timeout(_LAST_SECONDS), self._engine.connect() as connection:
                await claims.release(connection, job)
        except Exception as exc:  # noqa: BLE001  # as above
            _tell("not_given_back", exc, job=job.id)

    async def _run(self, attempt: _Attempt) -> tuple[str | None, float | None]:
        """Why it failed, if it did, and how many seconds to wait at least."""
        job, guard = attempt.job, asyncio.timeout_at(attempt.deadline)
        try:
            async with guard:
                attempt.guard = guard
                await self._handlers[job.kind](job)
        except RetryLater as later:
            return later.reason, later.seconds
        except Unavailable as refusal:
            return refusal.code, refusal.retry_after
        except ClaimLost:
            raise
        except Exception as exc:  # noqa: BLE001  # the outermost loop of a worker
            if guard.expired():
                raise ClaimLost from None
            _log.error("job_failed", job=job.id, kind=job.kind, **_of(exc))
            return type(exc).__qualname__, None
        finally:
            attempt.guard = None
        return None, None

    async def _postpone(
        self, job: Job, policy: Retry, *, failure: str, asked: float | None = None
    ) -> None:
        dead = job.attempt >= policy.attempts
        delay = policy.delay(job.attempt, asked=asked)
        async with self._engine.connect() as connection:
            await claims.postpone(connection, job, delay=delay, failure=failure, dead=dead)
        if dead:
            _log.error("job_dead", job=job.id, kind=job.kind, failure=failure)

    async def _end(self, job: Job) -> None:
        """One batch is under way, with no timer; whoever waits for it is in the next."""
        self._ended.append(job)
        async with self._ending:
            if job not in self._ended:
                return
            jobs, self._ended = self._ended, []
            async with self._engine.connect() as connection:
                await claims.end_many(connection, jobs)

    async def _keep_leases(self) -> None:
        """On a connection of its own: handlers that use up the pool must not cost us the leases."""
        while True:
            try:
                async with self._engine.connect() as connection:
                    while True:
                        async with asyncio.timeout(self._lease / 2):
                            await self._renew(connection)
                        await asyncio.sleep(self._lease / 4)
            except Exception as exc:  # noqa: BLE001  # ended, it would lose every job that is long
                _tell("leases_not_renewed", exc)
                await asyncio.sleep(self._lease / 8)

    async def _renew(self, connection: AsyncConnection) -> None:
        # One that is ending in its handler's transaction is locked by it, and soon gone.
        held = {a.job.id: a for a in self._attempts.values() if not a.job.ending}
        if not held:
            return
        deadline = asyncio.get_running_loop().time() + self._lease * 0.9
        jobs = [attempt.job for attempt in held.values()]
        for job_id in await claims.renew(connection, jobs, lease=self._lease):
            attempt = held[job_id]
            attempt.deadline = deadline
            if attempt.guard is not None and not attempt.guard.expired():
                attempt.guard.reschedule(deadline)


def _tell(what: str, exc: Exception, **members: object) -> None:
    say = _log.warning if isinstance(exc, _AWAY) else _log.error
    say(what, **members, **_of(exc))


def _of(exc: Exception) -> dict[str, str]:
    """Without its message: drivers and clients put values into theirs."""
    return {"exception": type(exc).__qualname__, "where": where(exc)}
