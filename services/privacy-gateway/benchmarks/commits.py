# ruff: noqa: T201  # what it prints is what it is for
"""Group commit beside one commit per record, in one run.

One commit per record is the same code with the same leaf, chain, signature and spool, and a batch
of one record at a time: on one connection, and on as many as there are callers (32 at most), which
PostgreSQL lets share its fsyncs. Beside them stand what the spool costs, and rows that are only
inserted, with nothing about them. Processor time is the caller's and the server's, over the
records.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import asyncpg
import psutil

from privacy_gateway.clients.line import for_driver
from privacy_gateway.domain.audit.access import Access, FieldAccess
from privacy_gateway.domain.audit.chain import Chain
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.audit.spool import Signed
from privity_contracts import ids
from privity_postgres import PostgresServer

CATEGORIES = {
    "user.name": "identity",
    "user.contact.phone_number": "identity",
    "user.contact.address.street": "delivery",
    "user.contact.address.city": "delivery",
    "user.contact.address.state": "delivery",
    "user.contact.address.postal_code": "delivery",
}
PEOPLE = 200
CONNECTIONS = 32


def reading(subject: str, actor: str) -> Access:
    return Access(
        kind="read",
        subject=subject,
        actor=actor,
        actor_kind="staff",
        role="dispatch",
        purpose="delivery",
        clauses=("C2.2", "C4.2"),
        policy="2026-11-22",
        work="site/north",
        service="orders",
        scope=f"account/{subject}",
        resource=subject,
        decision="allow",
        fields=tuple(FieldAccess(f"/{c.rpartition('.')[2]}", c, "reveal") for c in CATEGORIES),
    )


async def per_second(
    work: Callable[[int], Awaitable[object]], *, callers: int, seconds: float
) -> tuple[float, float]:
    """Calls a second, and the 99th percentile in milliseconds."""
    end = time.perf_counter() + seconds
    took: list[float] = []

    async def caller(number: int) -> None:
        turn = number
        while (begun := time.perf_counter()) < end:
            await work(turn)
            took.append(time.perf_counter() - begun)
            turn += callers

    begun = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(callers)))
    rate = len(took) / (time.perf_counter() - begun)
    return rate, sorted(took)[int(len(took) * 0.99)] * 1000


class Spoolless(Chain):
    """Commits only, to see what the spool costs beside it."""

    def _write_down(self, signed: Signed) -> asyncio.Future[None]:
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


class Used:
    """Processor time of this process, and of the server with all that it started."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = psutil.Process(server.process_id)

    def seconds(self) -> tuple[float, float]:
        family = [self._server, *self._server.children(recursive=True)]
        theirs = 0.0
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                theirs += sum(each.cpu_times()[:2])
        return time.process_time(), theirs


class Outcome(NamedTuple):
    rate: float
    late: float
    records: int
    commits: int
    since: tuple[float, float]
    until: tuple[float, float]

    def tell(self, callers: int, how: str) -> None:
        ours, theirs = (
            (now - then) / self.records * 1e6
            for now, then in zip(self.until, self.since, strict=True)
        )
        print(
            f"{callers:>4} callers, {how:<26} {self.rate:8.0f} records/s  p99 {self.late:7.1f} ms"
            f"  {self.records / self.commits:5.1f} a commit  µs each: {ours:5.0f} here,"
            f" {theirs:5.0f} in PostgreSQL",
            flush=True,
        )


async def recorded(
    logs: list[AuditLog],
    people: list[str],
    clerk: str,
    callers: int,
    seconds: float,
    *,
    used: Used,
    how: str,
) -> None:
    def counts() -> tuple[int, int]:
        return sum(log.recorded for log in logs), sum(log.batches for log in logs)

    before, since = counts(), used.seconds()

    async def record(turn: int) -> None:
        await logs[turn % len(logs)].record([reading(people[turn % PEOPLE], clerk)])

    rate, late = await per_second(record, callers=callers, seconds=seconds)
    until = used.seconds()
    records, commits = (now - then for now, then in zip(counts(), before, strict=True))
    Outcome(rate, late, records, commits, since, until).tell(callers, how)


async def inserted(url: str, callers: int, seconds: float, *, used: Used) -> None:
    """Rows only: no leaf is written, nothing is signed or chained, and there is no spool."""
    connections = min(callers, CONNECTIONS)
    pool = await asyncpg.create_pool(for_driver(url), min_size=connections, max_size=connections)
    leaf_like = b"x" * 600
    done = 0

    async def record(turn: int) -> None:
        nonlocal done
        await pool.execute(
            "INSERT INTO records (id, recorded_at, leaf, kind, decision, purpose, role,"
            " subject_tag, actor_tag, categories)"
            " VALUES ($1, now(), $2, 'read', 'allow', 'delivery', 'dispatch',"
            " $3, 'svc_bench', $4)",
            ids.mint("rec"),
            leaf_like,
            f"t1:{turn % PEOPLE}",
            list(CATEGORIES),
        )
        done += 1

    since = used.seconds()
    rate, late = await per_second(record, callers=callers, seconds=seconds)
    until = used.seconds()
    await pool.close()
    outcome = Outcome(rate, late, done, done, since, until)
    outcome.tell(callers, f"bare rows, {connections} connections")
