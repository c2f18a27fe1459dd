"""The sequencer: integrates what verifies, moments after it was written, and halts at the rest.

Of several, the one that holds the row's lease works. It re-reads where the log ends before every
step, so that nothing depends on its memory. Halted, it stays up, says why, and touches nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Collection
from itertools import groupby
from typing import Any

import asyncpg
import structlog

from audit_log.clients.signer import SignerUnavailable
from audit_log.domain.sequencing import log
from audit_log.domain.sequencing.heads import Ahead, Heads
from audit_log.domain.sequencing.order import Order, Placed
from audit_log.domain.sequencing.verification import (
    FIRST,
    DoesNotVerify,
    Link,
    Processes,
    Verified,
    verify,
)
from privity_rest.background import beside
from privity_transparency.tiles import Growth

_PAUSE, _STANDING_BY = 0.2, 0.5
_BATCHES, _RECORDS = 200, 20_000
"""The most that one step takes from each process, and altogether."""
_REMEMBERED = 100_000
"""Batches whose order is copied from a log that this disk has not followed."""
UNHEALTHY_AFTER = 3.0
_log = structlog.get_logger("privity.audit_log")


class Sequencer:
    def __init__(
        self, url: str, *, name: str, identities: Collection[bytes], order: Order, heads: Heads
    ) -> None:
        self._url = url
        self._name = name
        self._processes = Processes(identities)
        self._order = order
        self._heads = heads
        self._growth: Growth | None = None
        self._links: dict[str, Link] = {}
        self._finished = 0
        """The size whose checkpoint is cosigned, or cannot be."""
        self._well_at = 0.0
        self.state = "starting"
        self.halted: str | None = None
        self.size = 0
        self.signed = 0
        self.cosigned = 0

    @property
    def is_well(self) -> bool:
        return self.halted is None and time.monotonic() - self._well_at < UNHEALTHY_AFTER

    @contextlib.asynccontextmanager
    async def running(self) -> Any:
        try:
            async with beside(self._run(), name="sequencer"):
                yield self
        finally:
            self._order.close()

    async def _run(self) -> None:
        while self.halted is None:
            try:
                await self._connected()
            except DoesNotVerify as exc:
                self.halted, self.state = str(exc), "halted"
                _log.critical("sequencing_halted", reason=str(exc), size=self.size)
            except (*log.FAILURES, SignerUnavailable) as exc:
                self.state = "unconnected"
                _log.warning("sequencing_interrupted", reason=type(exc).__name__)
                await asyncio.sleep(_PAUSE)
            except Exception as exc:  # noqa: BLE001  # the outermost loop: halting is the safe side
                self.halted, self.state = f"a bug: {type(exc).__name__}", "halted"
                _log.critical("sequencing_halted", reason=type(exc).__name__, exc_info=True)

    async def _connected(self) -> None:
        connection = await asyncpg.connect(
            self._url.replace("postgresql+asyncpg:", "postgresql:", 1),
            timeout=2,
            command_timeout=30,
            server_settings={"application_name": "privity-sequencer", "TimeZone": "UTC"},
        )
        self._growth = None
        try:
            while True:
                began = time.monotonic()
                worked = await self._step(connection)
                self._well_at = time.monotonic()
                pause = _STANDING_BY if self.state == "standing_by" else _PAUSE
                await asyncio.sleep(0 if worked else max(0.0, pause - (self._well_at - began)))
        finally:
            connection.terminate()

    async def _step(self, connection: Any) -> bool:
        """One round; whether more may be waiting already."""
        async with connection.transaction():
            if not await log.hold(connection, self._name):
                self.state, self._growth = "standing_by", None
                return False
        size = await log.size_of(connection)
        if self._growth is None or self._growth.size != size:
            await self._begin(connection, size)
        integrated = await self._integrate(connection)
        await self._publish(connection)
        return integrated >= _RECORDS

    async def _begin(self, connection: Any, size: int) -> None:
        """Takes up a log that it has not followed; first asks whether it is the one that was
        signed."""
        try:
            self._growth = await log.growth_of(connection, size)
        except ValueError:
            raise DoesNotVerify("a tile of the log is missing") from None
        self._links = await log.links_of(connection)
        if self._order.size < size:
            missed = await log.placed_from(connection, self._order.size, limit=_REMEMBERED)
            await asyncio.to_thread(self._order.append, missed)
        self.size, self._finished = size, 0
        try:
            await self._heads.sign(connection, size, self._growth.root())
        except Ahead as ahead:
            if self._order.size < ahead.size or self._order.after(size) is None:
                raise DoesNotVerify(
                    f"{ahead}; this database holds {size}, and their order is not known here"
                ) from None
            _log.warning("database_restored", size=size, signed=ahead.size)

    async def _integrate(self, connection: Any) -> int:
        growth = self._growth
        assert growth is not None  # noqa: S101  # _begin has run
        known = self._order.after(growth.size)
        if known is None:
            raise DoesNotVerify(f"the order of what followed record {growth.size} is not known")
        self.state = "restoring" if known else "sequencing"
        verified = await (self._as_before(connection, known) if known else self._next(connection))
        if not verified:
            return 0
        placed, changed, first = [], {}, growth.size
        for batch, hashes in verified:
            placed.append(Placed(growth.size, batch.process, batch.number, batch.records))
            changed.update(growth.append(hashes))
        try:
            async with connection.transaction():
                # Locked again: whoever paused for longer than the lease is not the sequencer now.
                if not await log.hold(connection, self._name):
                    self._growth = None
                    return 0
                if await log.size_of(connection) != first:
                    self._growth = None
                    return 0
                await log.put(connection, placed, changed)
        except BaseException:
            self._growth = None  # it is ahead of the database, perhaps
            raise
        await asyncio.to_thread(self._order.append, placed)
        for batch, _ in verified:
            self._links[batch.process] = Link(batch.number + 1, batch.hash)
        self.size = growth.size
        return growth.size - first

    async def _next(self, connection: Any) -> list[Verified]:
        """What waits, verified; process by process, each in its order."""
        rows = await log.waiting(connection, self._links, limit=_BATCHES)
        found: list[Verified] = []
        taken = 0
        for process, batches in groupby(rows, key=lambda row: row["process_id"]):
            chosen: list[Any] = []
            for row in batches:
                taken += row["records"]
                if taken > _RECORDS and (chosen or found):
                    break
                chosen.append(row)
            if chosen:
                found += await self._verified(connection, process, chosen)
        return found

    async def _as_before(self, connection: Any, known: list[Placed]) -> list[Verified]:
        """The batches whose place is known, as far as they have come back, in that order."""
        rows = await log.waiting(connection, self._links, limit=_BATCHES)
        by_process: dict[str, list[Any]] = {}
        for row in rows:
            by_process.setdefault(row["process_id"], []).append(row)
        verified: dict[tuple[str, int], Verified] = {}
        for process, batches in by_process.items():
            last = max((p.number for p in known if p.process == process), default=-1)
            mine = [row for row in batches if row["number"] <= last]
            for each in await self._verified(connection, process, mine) if mine else ():
                verified[process, each.batch.number] = each
        found = []
        for placed in known:
            back = verified.get((placed.process, placed.number))
            if back is None:
                break
            found.append(back)
        return found

    async def _verified(self, connection: Any, process: str, rows: list[Any]) -> list[Verified]:
        key = self._processes.key_of(rows[0])
        link = self._links.get(process, FIRST)
        records = await log.records_of(connection, rows)
        found = []
        for row in rows:
            each = verify(row, records[row["number"]], link=link, key=key)
            link = Link(each.batch.number + 1, each.batch.hash)
            found.append(each)
            await asyncio.sleep(0)  # others, who ask how it is going, come in between
        return found

    async def _publish(self, connection: Any) -> None:
        growth = self._growth
        if growth is None or self.state == "restoring" or not growth.size:
            return
        if growth.size != self._finished:
            root = growth.root()
            note = await self._heads.sign(connection, growth.size, root)
            await self._keep(connection, note, root, cosigned=False)
            cosigned = await self._heads.cosign(connection, note)
            if cosigned is not None:
                await self._keep(connection, cosigned, root, cosigned=True)
                self._finished = growth.size
            self.signed, self.cosigned = await log.signed_sizes(connection)

    async def _keep(self, connection: Any, note: Any, root: bytes, *, cosigned: bool) -> None:
        assert self._growth is not None  # noqa: S101  # as above
        await log.keep(connection, self._growth.size, root, str(note), cosigned=cosigned)
