"""Recording: an answer of the store, or a refusal, within the deadline; never a guess.

Each process has one batch under way and no timer. Whoever records meanwhile joins the next batch,
so the busier it is, the less a record costs. What is late is refused while its outcome is still
unknown: the store may then hold a record of something that never left, and never the reverse.
"""

import asyncio
import errno
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from privacy_gateway.clients.line import Line, LineFailed, NotDurable
from privacy_gateway.domain.audit import leaf, store
from privacy_gateway.domain.audit.access import _DURABLE, Access, Receipt
from privacy_gateway.domain.audit.chain import Chain
from privacy_gateway.domain.audit.openings import Opening, Openings
from privacy_gateway.domain.audit.sequenced import Sequenced
from privacy_gateway.domain.audit.store import Row
from privacy_gateway.domain.vault.vault import Vault
from privity_contracts import ids
from privity_rest import Unavailable
from privity_rest.background import end, start

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.3
_log = structlog.get_logger("privity.audit")


class StoreUnavailable(Unavailable):
    code, title = "audit_store_unavailable", "Nothing is given while it cannot be recorded"


class StoreFull(StoreUnavailable):
    code = "audit_store_full"


class LogBehind(StoreUnavailable):
    """What was recorded does not get into the log. Taking more would pile up what may be lost."""

    code = "audit_log_behind"


@dataclass(slots=True)
class _Entry:
    """What one caller waits for."""

    rows: list[Row]
    openings: list[Opening]
    durable: asyncio.Future[None]


class AuditLog:
    """The process's way into the audit store."""

    def __init__(
        self,
        url: str,
        vault: Vault,
        chain: Chain,
        *,
        sequenced: Sequenced | None = None,
        deadline_seconds: float = 1.2,
        queue_records: int = 4_000,
        batch_records: int = 1_000,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._wake = asyncio.Event()
        self._line = Line(
            url, name="privity-audit", deadline_seconds=deadline_seconds, on_lost=self._wake.set
        )
        self._openings = Openings(vault)
        self._chain = chain
        self._sequenced = sequenced
        self._deadline = deadline_seconds
        self._queue_records = queue_records
        self._batch_records = batch_records
        self._clock = clock
        self._last = datetime.min.replace(tzinfo=UTC)
        self._waiting: deque[_Entry] = deque()
        self._writing: asyncio.Task[None] | None = None
        self.waiting = 0
        self.recorded = 0
        self.batches = 0
        self.largest_batch = 0
        self.refused = 0
        self.failed_batches = 0
        self.connects = 0

    async def start(self) -> None:
        """Raises NotDurable when the store would acknowledge what it can lose."""
        try:
            await self._connect()
        except LineFailed as exc:
            if isinstance(exc, NotDurable):
                raise
            raise StoreUnavailable(f"not connected: {exc}") from None
        self._writing = start(self._write(), name="audit log")

    async def close(self) -> None:
        if self._writing is not None:
            await end(self._writing)
        self._refuse(self._waiting)
        self._line.cut()
        self._chain.close()

    def require_open(self) -> None:
        """Raises what recording one access would meet right now."""
        self._refuse_unless_open(1)

    async def record(self, accesses: Sequence[Access]) -> list[Receipt]:
        """One receipt for each access, all durable; or StoreUnavailable, or StoreFull."""
        if not accesses:
            return []
        loop = asyncio.get_running_loop()
        until = loop.time() + self._deadline
        try:
            self._refuse_unless_open(len(accesses))
            record_ids, entry = await self._written(accesses)
            self._refuse_unless_open(len(entry.rows))
            self._waiting.append(entry)
            self.waiting += len(entry.rows)
            self._wake.set()
            # Not asyncio.timeout, which costs four times as much and cancels.
            timer = loop.call_at(until, self._refuse, [entry])
            try:
                await entry.durable
            finally:
                timer.cancel()
        except StoreUnavailable:
            self.refused += 1
            raise
        return list(map(_receipt, accesses, record_ids))

    def _refuse_unless_open(self, records: int) -> None:
        if not self._line.connected:
            raise StoreUnavailable("the audit store is not connected")
        if self._sequenced is not None and self._sequenced.is_behind:
            raise LogBehind("the audit log is behind", retry_after=5)
        if self.waiting + records > self._queue_records:
            raise StoreFull("too much is waiting to be recorded")

    async def _written(self, accesses: Sequence[Access]) -> tuple[list[str], _Entry]:
        """The id of each access's (first) record, and the leaves of all of them."""
        self._last = now = max(self._clock(), self._last + timedelta(microseconds=1))
        at = leaf.stamp(now)
        pairs = {pair: None for access in accesses for pair in leaf.tagged_in(access)}
        tags, openings = await self._openings.of(at[:7], pairs)
        written = [self._rows(access, now=now, at=at, tags=tags) for access in accesses]
        durable = asyncio.get_running_loop().create_future()
        rows = [row for parts in written for row in parts]
        return [parts[0].id for parts in written], _Entry(rows, openings, durable)

    def _rows(self, access: Access, *, now: datetime, at: str, tags: leaf.Tags) -> list[Row]:
        """One row; several, with a part of the fields each, when its leaf would be too long."""
        record_id = ids.mint("rec")
        content = leaf.write(access, record_id=record_id, at=at, tags=tags)
        if len(content) > leaf.LONGEST:
            parts = leaf.parts_of(access)
            return [row for p in parts for row in self._rows(p, now=now, at=at, tags=tags)]
        return [store.row_of(access, record_id=record_id, now=now, content=content, tags=tags)]

    async def _write(self) -> None:
        while True:
            if not self._line.connected:
                self._refuse(self._waiting)
                await self._reconnect()
            elif not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            else:
                await self._append(self._take())

    def _take(self) -> list[_Entry]:
        """The next batch: whoever waits and still wants to know."""
        batch: list[_Entry] = []
        records = 0
        while self._waiting and records < self._batch_records:
            entry = self._waiting.popleft()
            self.waiting -= len(entry.rows)
            if not entry.durable.done():
                batch.append(entry)
                records += len(entry.rows)
        return batch

    async def _append(self, batch: list[_Entry]) -> None:
        rows = [row for entry in batch for row in entry.rows]
        openings = [opening for entry in batch for opening in entry.openings]
        if not rows:
            return
        failure = StoreUnavailable
        try:
            signed = self._chain.sign(rows, openings, now=self._clock())
            await self._chain.append(self._line, signed, rows)
        except Exception as exc:  # noqa: BLE001  # the worker's outermost loop; the callers get it
            # PostgreSQL's class 53: no disk, no memory, no connections.
            full = getattr(exc, "errno", 0) == errno.ENOSPC
            if full or str(getattr(exc, "sqlstate", "")).startswith("53"):
                failure = StoreFull
            self.failed_batches += 1
            _log.error("batch_not_recorded", reason=type(exc).__name__, records=len(rows))
        else:
            self._openings.stored(openings)
            if self._sequenced is not None:
                self._sequenced.wrote(signed.batch.number)
            self.recorded += len(rows)
            self.batches += 1
            self.largest_batch = max(self.largest_batch, len(rows))
            for entry in batch:
                if not entry.durable.done():
                    entry.durable.set_result(None)
        finally:
            # Whoever has no answer by now, also when this process is ending, gets a refusal.
            self._refuse(batch, failure)

    async def _reconnect(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._connect()
            except Exception as exc:  # noqa: BLE001  # the worker: ended, it would refuse for ever
                self._line.cut()
                reason = str(exc) if isinstance(exc, LineFailed) else type(exc).__name__
                _log.warning("audit_store_not_connected", reason=reason)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                return

    async def _connect(self) -> None:
        await self._line.connect()
        await store.make_months(self._line)
        await self._chain.settle(self._line)
        self.connects += 1

    def _refuse(
        self, entries: Iterable[_Entry], failure: type[StoreUnavailable] = StoreUnavailable
    ) -> None:
        for entry in entries:
            if not entry.durable.done():
                entry.durable.set_exception(failure("the audit store did not take the record"))


def _receipt(access: Access, record_id: str) -> Receipt:
    fields = leaf.fields_of(access.fields)
    nothing = access.decision == "refuse"
    return Receipt(
        record_id=record_id,
        subject=access.subject,
        scope=access.scope,
        openable=frozenset() if nothing else fields.openable,
        carriable=frozenset() if nothing else fields.carriable,
        comparable=frozenset() if nothing else fields.comparable,
        durable=_DURABLE,
    )
