"""Making an export: a walk through the log up to a signed checkpoint, in stretches.

Each stretch and how far the walk has come are one commit, so whoever is killed in between is
followed by somebody who goes on there, and no record is written twice or left out.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.domain.audit.matching import Matching
from privacy_gateway.domain.audit.query import Records
from privacy_gateway.domain.audit.tail import Entry, Tail
from privacy_gateway.domain.exporting import files, formats, orders
from privacy_gateway.domain.vault.vault import Vault
from privacy_gateway.models import Export
from privity_database import Database
from privity_jobs import Handler, Job, RetryLater, enqueue
from privity_transparency import manifest, tiles
from privity_transparency.checkpoint import Checkpoint
from privity_transparency.manifest import Manifest
from privity_transparency.note import Note

_STRETCH: Final = 2_000
_HEAD = "SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1"
_TILES = """
SELECT level, number, hashes FROM tiles
JOIN unnest($1::int[], $2::bigint[]) AS wanted (level, number) USING (level, number)
"""
_PER_QUERY = 200


class Making:
    def __init__(
        self,
        database: Database,
        records: Records,
        vault: Vault,
        *,
        stretch: int = _STRETCH,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._records = records
        self._tail = Tail(records)
        self._vault = vault
        self._stretch = stretch
        self._clock = clock

    def handlers(self) -> Mapping[str, Handler]:
        return {orders.EXPORT: self.make, orders.EXPIRY: self.expire}

    async def make(self, job: Job) -> None:
        export = await self._begun(str(job.payload["export_id"]))
        if export.state != "running" or export.size is None:
            return
        matching = Matching(orders.read(export.filters), self._vault)
        while export.next_index < export.size:
            export = await self._one_stretch(export, matching)
        await self._finish(export)

    async def expire(self, job: Job) -> None:
        async with self._database.transaction() as tx:
            await orders.expire(tx, str(job.payload["export_id"]))

    async def _begun(self, export_id: str) -> Export:
        rows = await self._records.fetch(_HEAD)
        async with self._database.transaction() as tx:
            export = await orders.find(tx, export_id)
            if export.state == "queued":
                if not rows:
                    raise RetryLater("no_checkpoint_yet", seconds=1)
                export.state, export.size = "running", rows[0]["size"]
                files.put(tx, export_id, manifest.CHECKPOINT, rows[0]["note"].encode())
        return export

    async def _one_stretch(self, export: Export, matching: Matching) -> Export:
        stretch = await self._tail.since(export.next_index, limit=self._stretch)
        size = export.size or 0
        asked = [
            entry
            for entry in stretch.entries
            if entry.index < size and (not export.filters or await _holds(matching, entry))
        ]
        reached = min(stretch.next_index, size)
        if reached == export.next_index:
            raise RetryLater("store_behind_checkpoint", seconds=1)
        # Encoding takes the processor for as long as a stretch takes.
        form = cast("formats.Format", export.format)
        beside = await asyncio.to_thread(formats.beside, form, asked, part=export.parts)
        async with self._database.transaction() as tx:
            await self._written(tx, export, asked, beside, reached)
        async with self._database.transaction() as tx:
            return await orders.find(tx, export.id)

    async def _written(
        self,
        tx: AsyncSession,
        export: Export,
        asked: list[Entry],
        beside: tuple[str, bytes] | None,
        reached: int,
    ) -> None:
        moved = await tx.scalar(
            update(Export)
            .where(Export.id == export.id, Export.next_index == export.next_index)
            .values(
                next_index=reached,
                parts=Export.parts + 1,
                records=Export.records + len(asked),
            )
            .returning(Export.next_index)
        )
        if moved is None:
            return  # whoever has the job by now was there first
        files.put(tx, export.id, manifest.RECORDS, formats.lines(asked), part=export.parts)
        if beside is not None:
            files.put(tx, export.id, beside[0], beside[1], part=export.parts)

    async def _finish(self, export: Export) -> None:
        size, whole = export.size or 0, not export.filters
        indexes = await self._indexes(export.id)
        content = await self._tiles(indexes, size)
        async with self._database.transaction() as tx:
            await files.drop(tx, export.id, [*content, manifest.MANIFEST])
            for path, hashes in content.items():
                files.put(tx, export.id, path, hashes)
        now = self._clock()
        listed = await files.described(self._database, export.id)
        # A month that was archived is missing from the whole.
        complete = whole and export.records == size
        said = Manifest(
            origin=await self._origin(export.id),
            size=size,
            records=export.records,
            files=tuple(listed),
            first=0 if complete else None,
            end=size if complete else None,
            created_at=now.isoformat(),
            query=export.filters,
        )
        async with self._database.transaction() as tx:
            done = await orders.find(tx, export.id)
            if done.state != "running":
                return
            done.state, done.ready_at, done.expires_at = "ready", now, now + orders.KEPT
            files.put(tx, export.id, manifest.MANIFEST, said.to_json().encode())
            payload: dict[str, Any] = {"export_id": export.id}
            await enqueue(tx, orders.EXPIRY, payload, key=export.id, run_at=done.expires_at)

    async def _indexes(self, export_id: str) -> set[int]:
        """One for each lowest tile that is needed."""
        found: set[int] = set()
        async for part in files.parts(self._database, export_id, manifest.RECORDS):
            for line in part.splitlines():
                index = manifest.read_record(line).index
                found.add(index - index % tiles.WIDTH)
        return found

    async def _tiles(self, indexes: set[int], size: int) -> dict[str, bytes]:
        wanted = manifest.tiles_for(indexes, size)
        known, content = list(wanted), {}
        for begin in range(0, len(known), _PER_QUERY):
            some = known[begin : begin + _PER_QUERY]
            rows = await self._records.fetch(
                _TILES, [t.level for t in some], [t.number for t in some]
            )
            for row in rows:
                tile = tiles.TileId(row["level"], row["number"])
                hashes = bytes(row["hashes"])[: wanted[tile] * 32]
                content[tiles.path(*tile, wanted[tile])] = hashes
        return content

    async def _origin(self, export_id: str) -> str:
        parts = files.parts(self._database, export_id, manifest.CHECKPOINT)
        note = b"".join([part async for part in parts])
        return Checkpoint.parse(Note.parse(note).text).origin


async def _holds(matching: Matching, entry: Entry) -> bool:
    """A record whose columns were altered is asked for by what its leaf says."""
    return await matching.holds(entry.leaf)
