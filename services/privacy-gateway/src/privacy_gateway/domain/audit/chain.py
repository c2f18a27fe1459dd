"""The batches of one process, each signed and naming the one before it; one at a time.

A number belongs to the batch that took it. When nobody knows whether the store has a batch, the
store is asked; the same batch is sent again if it lacks it. Only a batch that the store refused
for certain gives its number to another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import asyncpg
import structlog

from privacy_gateway.clients.line import Line, LineFailed, Unable, Unreachable
from privacy_gateway.domain.audit import store
from privacy_gateway.domain.audit.openings import Opening
from privacy_gateway.domain.audit.segment import (
    NEVER,
    Certified,
    Segment,
    Signed,
    batches_of,
    in_order,
)
from privacy_gateway.domain.audit.spool import Spool
from privacy_gateway.domain.audit.store import RecordAltered, Row
from privacy_gateway.domain.vault.process_key import ProcessKey
from privity_transparency.batch import FIRST_PREVIOUS, Batch, leaves_hash
from privity_transparency.merkle import leaf_hash
from privity_transparency.note import NotSigned

# Said by the server while the transaction could not commit any more: read-only, no resources.
_REFUSED = ("25", "53")
T = TypeVar("T")
_log = structlog.get_logger("privity.audit")


class Chain:
    def __init__(self, key: ProcessKey, spool_folder: Path) -> None:
        self._key = key
        self._owner = Certified(key.process, key.certificate)
        self._spool = Spool(spool_folder, self._owner)
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._previous = FIRST_PREVIOUS
        self._unsettled: Signed | None = None
        self.number = 0
        """What the next batch gets."""
        self.replayed = 0

    @property
    def process_id(self) -> str:
        return self._key.process.process

    def sign(self, rows: Sequence[Row], openings: Sequence[Opening], *, now: datetime) -> Signed:
        leaves = [row.leaf for row in rows]
        batch = Batch(
            self.process_id,
            self.number,
            self._previous,
            len(leaves),
            leaves_hash(map(leaf_hash, leaves)),
        )
        return Signed(batch, self._key.sign(batch), now, leaves, list(openings))

    async def append(self, line: Line, signed: Signed, rows: Sequence[Row]) -> None:
        """Returns when it is durable in the store and in the spool."""
        spooling = self._write_down(signed)
        self._unsettled = signed
        try:
            await store.append(line, signed, rows)
        except (LineFailed, asyncpg.PostgresError) as exc:
            if _was_refused(exc):
                self._unsettled = None
            raise
        else:
            self._advance(signed)
        finally:
            if self._unsettled is not None:
                line.cut()  # it is settled when there is a new one
            await asyncio.wait({spooling})
            failure = spooling.exception()
        if failure is not None:
            raise failure

    async def settle(self, line: Line) -> None:
        """Brings a store that was just connected to where this process and the dead ones left it.

        Raises LineFailed, or RecordAltered when the store has something else in its place.
        """
        await store.introduce(line, self._owner)
        if self._unsettled is not None and await store.holds(line, self._unsettled):
            self._advance(self._unsettled)
        stored = await store.last_number(line, self.process_id)
        if stored < self.number - 1:
            # It was restored to before, or a standby took over that did not have everything.
            own = await store.lacking(line, self._spool.own())
            await self._give_back(line, own, below=self.number)
        if self._unsettled is not None:
            await self._again(line, self._unsettled)
            self._advance(self._unsettled)
        await self._take_over(line)

    async def drop(self, covered: dict[str, int], *, keep_seconds: float) -> None:
        """Lets go of what a witness has seen in the log, by process up to that batch."""
        before = time.monotonic() - keep_seconds
        await self._on_disk(lambda: self._spool.drop(covered, before=before))

    def processes(self) -> list[str]:
        """Whose batches the spool holds, and this process."""
        held = {each.owner.process.process for each in list(self._spool.segments)}
        return sorted(held | {self.process_id})

    def close(self) -> None:
        self._disk.shutdown()
        self._spool.close()

    def _advance(self, signed: Signed) -> None:
        self._previous = signed.batch.hash
        self.number = signed.batch.number + 1
        self._unsettled = None

    async def _take_over(self, line: Line) -> None:
        """What dead processes left: the store may lack their last batches."""
        now = time.monotonic()
        await self._on_disk(lambda: self._spool.take_over(now=now))
        theirs = self._spool.taken_over()
        await store.introduce(line, *theirs)
        lacking = await store.lacking(line, [each for held in theirs.values() for each in held])
        for owner in theirs:
            await self._give_back(line, [each for each in lacking if each.owner == owner])

    async def _give_back(self, line: Line, lacking: list[Segment], *, below: int = NEVER) -> None:
        """What the store lacks of one process's batches, in order, up to the first that its process
        did not sign; one segment at a time, because a database can lack a gigabyte."""
        for segment, end in in_order(lacking):
            batches = await self._on_disk(partial(batches_of, segment, below=min(end, below)))
            stored = await store.numbers(line, batches)
            process = segment.owner.process
            for signed in batches:
                if signed.batch.number in stored:
                    continue
                try:
                    signed.batch.verify(signed.signature, process.public_key)
                except NotSigned:
                    number = signed.batch.number
                    _log.error("spool_altered", process=process.process, number=number)
                    return
                await self._again(line, signed)

    async def _again(self, line: Line, signed: Signed) -> None:
        """Appends what the store lacks; another line's late commit of the same is as good."""
        try:
            await store.append(line, signed, [store.row_from(each) for each in signed.leaves])
        except asyncpg.UniqueViolationError:
            if not await store.holds(line, signed):
                raise RecordAltered("the store has another batch in this one's place") from None
        self.replayed += 1
        _log.warning(
            "batch_appended_again", process=signed.batch.process, number=signed.batch.number
        )

    def _write_down(self, signed: Signed) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        now = time.monotonic()
        return loop.run_in_executor(self._disk, lambda: self._spool.write(signed, now=now))

    async def _on_disk(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, call)


def _was_refused(failure: Exception) -> bool:
    """For certain: the server said no, or was not asked."""
    if isinstance(failure, LineFailed):
        unable = isinstance(failure, Unable) and failure.sqlstate.startswith(_REFUSED)
        return unable or isinstance(failure, Unreachable)
    return True
