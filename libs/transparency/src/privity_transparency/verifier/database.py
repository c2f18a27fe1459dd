"""A whole audit database, read in one snapshot, while it is being written to if need be."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import asyncpg

from privity_transparency import tiles
from privity_transparency.batch import Batch, Process
from privity_transparency.tiles import WIDTH, TileId
from privity_transparency.verifier import rows
from privity_transparency.verifier.archives import Archives
from privity_transparency.verifier.chains import Chains
from privity_transparency.verifier.examination import Examination
from privity_transparency.verifier.findings import Fault, Report
from privity_transparency.verifier.heads import Heads, Stored, Trust, open_heads
from privity_transparency.verifier.outside import examine_outside
from privity_transparency.verifier.rows import Checked, Signed, Task
from privity_transparency.verifier.trusted import TrustedTiles

Progress = Callable[[int, int], None]
"""Called with how many records of how many are done."""

_WORTH_PROCESSES = 20_000
_TASK_RECORDS, _TASK_BATCHES = 8_000, 2_000
_LISTED = """
SELECT l.first_index, l.process_id, l.number, l.records,
       b.previous, b.records AS said, b.leaves, b.signature
FROM log_batches l LEFT JOIN batches b ON b.process_id = l.process_id AND b.number = l.number
ORDER BY l.first_index
"""
_UPPER = "SELECT level, number, hashes FROM tiles WHERE level > 0"
_EDGE = "SELECT level, number, hashes FROM tiles WHERE level = 0 AND number = $1"
_LOWEST = "SELECT number, hashes FROM tiles WHERE level = 0 ORDER BY number"
_CHECKPOINTS = "SELECT note, size, root, cosigned FROM checkpoints ORDER BY size"
_CLOSED = "SELECT manifest FROM archived_months"
_KNOWS_CLOSED = "SELECT has_table_privilege(to_regclass('archived_months'), 'SELECT')"
_PROCESSES = "SELECT process_id, public_key, certificate, started_at FROM processes"


class NotAnAuditDatabase(Exception):
    """It has none of the tables of an audit log, or does not let us read them."""


async def verify_database(
    url: str,
    trust: Trust,
    *,
    archives: Sequence[Path] = (),
    accept_unlogged: bool = False,
    workers: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Report:
    """Raises NotAnAuditDatabase, NotAnArchive, OSError, NotSigned or Malformed (of what is known
    outside). `archives`: folders of the months that were closed."""
    dsn = url.replace("postgresql+asyncpg://", "postgresql://", 1)
    connection = await _connected(dsn)
    try:
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
        reading = _Reading(
            connection,
            dsn,
            snapshot=snapshot,
            trust=trust,
            archives=archives,
            progress=progress,
        )
        return await reading.verify(workers or os.cpu_count() or 1, accept_unlogged)
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as exc:
        raise NotAnAuditDatabase("there is no audit log in this database") from exc
    except asyncpg.InsufficientPrivilegeError as exc:
        raise NotAnAuditDatabase("this role may not read the audit log") from exc
    finally:
        await connection.close()


async def _connected(dsn: str) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(dsn, server_settings={"TimeZone": "UTC"})
    except (ValueError, asyncpg.InterfaceError):
        # Without its words: they may repeat a part of the address, and that may be the password.
        raise NotAnAuditDatabase("this is not the address of a database") from None


class _Reading:
    def __init__(
        self,
        connection: asyncpg.Connection,
        dsn: str,
        *,
        snapshot: str,
        trust: Trust,
        archives: Sequence[Path],
        progress: Progress,
    ) -> None:
        self._connection = connection
        self._dsn = dsn
        self._snapshot = snapshot
        self._trust = trust
        self._progress = progress
        self._report = Report()
        self._chains = Chains(trust.identities, self._report)
        self._archives = Archives(archives, self._report)

    async def verify(self, workers: int, accept_unlogged: bool) -> Report:
        fetch = self._connection.fetch
        notes = [Stored(*each) for each in await fetch(_CHECKPOINTS)]
        heads = open_heads(notes, self._trust, self._report)
        size = heads.anchor.size
        for record in await fetch(_PROCESSES):
            self._add_process(record)
        if await self._connection.fetchval(_KNOWS_CLOSED):
            self._archives.require_closed_with([each["manifest"] for each in await fetch(_CLOSED)])
        trusted = await self._trusted(heads)
        examination = Examination(
            trusted, self._report, {s: r for s, r in heads.roots.items() if s}
        )
        covered = await self._listed(size, trusted, examination, workers)
        if covered < size:
            examination.absent(covered, size)
        examination.outside(self._archives.left(), "in an archive, of a batch that is not there")
        await examine_outside(
            self._connection,
            report=self._report,
            chains=self._chains,
            examination=examination,
            accept_unlogged=accept_unlogged,
        )
        examination.finish(
            [(each["number"], each["hashes"]) for each in await fetch(_LOWEST)]
            if examination.in_doubt
            else []
        )
        return self._report

    def _add_process(self, record: Any) -> None:
        try:
            process = Process(record["process_id"], record["public_key"], record["started_at"])
        except ValueError:
            self._report.add(Fault.PROCESS, f"{record['process_id']} is not a process")
        else:
            self._chains.add_process(process, record["certificate"])

    async def _trusted(self, heads: Heads) -> TrustedTiles:
        size = heads.anchor.size
        found = [
            *await self._connection.fetch(_UPPER),
            *await self._connection.fetch(_EDGE, size // WIDTH),
        ]
        upper = {TileId(each["level"], each["number"]): each["hashes"] for each in found}
        expected = [tile for tile, width in tiles.all_tiles(size) if tile.level]
        return TrustedTiles(size, heads.anchor.root, upper, self._report, expected=expected)

    async def _listed(
        self, size: int, trusted: TrustedTiles, examination: Examination, workers: int
    ) -> int:
        """Every batch in the order of the log. How far they reach."""
        covered = 0
        lowest = _Lowest(self._connection, trusted, size)
        # Starting processes takes longer than reading a few records.
        alone = size < _WORTH_PROCESSES
        with nullcontext() if alone else _pool(workers) as pool:
            async for part, checked in self._in_order(pool, 2 * workers):
                for record, found, signed in zip(part, checked.rows, checked.signed, strict=True):
                    first, records = record["first_index"], record["records"]
                    if first > covered:
                        examination.absent(covered, min(first, size))
                    elif first < covered:
                        self._report.add(
                            Fault.ORDER, f"two batches are listed for record {first}", index=first
                        )
                    covered = max(covered, first + records)
                    await lowest.reach(covered)
                    leaves = self._follow(record, signed)
                    of_batch = (record["process_id"], record["number"])
                    rows_found = self._archives.joined(*of_batch, found)
                    examination.batch(first, records, leaves, rows_found)
                trusted.forget(below=covered)
                self._progress(min(covered, size), size)
        return covered

    async def _in_order(
        self, pool: ProcessPoolExecutor | None, ahead: int
    ) -> AsyncIterator[tuple[list[Any], Checked]]:
        loop = asyncio.get_running_loop()
        under_way: list[tuple[list[Any], asyncio.Future[Checked]]] = []
        async for part in self._parts():
            task = self._task(part)
            if pool is None:
                yield part, await rows.run(task)
                continue
            under_way.append((part, loop.run_in_executor(pool, _run, task)))
            if len(under_way) > ahead:
                first, checking = under_way.pop(0)
                yield first, await checking
        for part, checking in under_way:
            yield part, await checking

    async def _parts(self) -> AsyncIterator[list[Any]]:
        part: list[Any] = []
        records = 0
        async for each in self._connection.cursor(_LISTED, prefetch=_TASK_BATCHES):
            part.append(each)
            records += each["records"]
            if records >= _TASK_RECORDS or len(part) >= _TASK_BATCHES:
                yield part
                part, records = [], 0
        if part:
            yield part

    def _task(self, part: list[Any]) -> Task:
        signed: list[Signed | None] = []
        for record in part:
            batch = batch_of(record)
            key = self._chains.key_of(record["process_id"])
            signed.append(None if batch is None else Signed(batch, record["signature"], key))
        numbers = tuple((record["process_id"], record["number"]) for record in part)
        return Task(self._dsn, self._snapshot, numbers, tuple(signed))

    def _follow(self, record: Any, signed: bool) -> bytes | None:
        batch = batch_of(record)
        if batch is None:
            self._chains.gone(record["process_id"], record["number"])
            return None
        if batch.records != record["records"]:
            self._report.add(
                Fault.ORDER,
                f"batch {batch.number} of {batch.process} has {batch.records} records and is "
                f"listed with {record['records']}",
                index=record["first_index"],
            )
        return batch.leaves if self._chains.follow(batch, signed=signed) else None


class _Lowest:
    """The tiles of the lowest level, one after the other, as far as they are needed."""

    def __init__(self, connection: asyncpg.Connection, trusted: TrustedTiles, size: int) -> None:
        self._found = connection.cursor(_LOWEST, prefetch=64).__aiter__()
        self._trusted = trusted
        self._size = size
        self._next = 0
        self._waiting: Any = None

    async def reach(self, end: int) -> None:
        while self._next * WIDTH < min(end, self._size):
            if self._waiting is None:
                self._waiting = await anext(self._found, None)
            number = self._waiting["number"] if self._waiting is not None else None
            content = None
            if number == self._next:
                content, self._waiting = self._waiting["hashes"], None
            if number is not None and number < self._next:
                self._waiting = None
                continue
            self._trusted.trust(TileId(0, self._next), content)
            self._next += 1


def batch_of(record: Any) -> Batch | None:
    """Nothing when the batch's row is gone, or is none."""
    if record["previous"] is None:
        return None
    try:
        return Batch(
            process=record["process_id"],
            number=record["number"],
            previous=record["previous"],
            records=record["said"],
            leaves=record["leaves"],
        )
    except ValueError:
        return None


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


def _run(task: Task) -> Checked:
    return asyncio.run(rows.run(task))
