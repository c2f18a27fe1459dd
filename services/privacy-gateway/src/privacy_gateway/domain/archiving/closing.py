"""Closing a month: its records as an export with Parquet, checked from the disk, then detached.

Nothing leaves the store before what was written down verifies as a stranger would verify it. The
tiles and checkpoints stay, so the records prove for as long as there is the archive.
"""

import os
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import asyncpg

from privacy_gateway.clients.line import for_driver
from privacy_gateway.domain.audit.tail import Entry
from privacy_gateway.domain.exporting import formats
from privity_transparency import manifest, tiles
from privity_transparency.checkpoint import open_checkpoint
from privity_transparency.manifest import Manifest
from privity_transparency.note import VerifierKey
from privity_transparency.verifier.export import verify_export
from privity_transparency.verifier.heads import Trust

GRACE: Final = timedelta(days=1)
_STRETCH: Final = 10_000
_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")
_HEAD = "SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1"
# A batch of the month lacks records, or all of them. At the turn of the month one may hold the
# last records of the month before, which may be archived already.
_INCOMPLETE = """
SELECT EXISTS (
    SELECT FROM (
        SELECT process_id, batch, count(*) AS found FROM records
        WHERE (process_id, batch) IN (SELECT DISTINCT process_id, batch FROM {part})
        GROUP BY process_id, batch
    ) AS held JOIN log_batches AS b ON b.process_id = held.process_id AND b.number = held.batch
    WHERE held.found <> b.records
) OR EXISTS (
    SELECT FROM batches JOIN log_batches AS b USING (process_id, number)
    WHERE written_at >= ($1::text::timestamp AT TIME ZONE 'UTC') + interval '5 minutes'
      AND written_at < ($1::text::timestamp + interval '1 month') AT TIME ZONE 'UTC'
      AND NOT EXISTS (SELECT FROM records AS r
                      WHERE r.process_id = b.process_id AND r.batch = b.number)
)
"""
_TILES = "SELECT level, number, hashes FROM tiles WHERE level = $1 AND number = ANY($2::bigint[])"


class NotClosed(Exception):
    """The month stays where it is; the message says why, and holds no personal data."""


@dataclass(frozen=True, slots=True)
class Closed:
    month: str
    records: int
    folder: Path
    manifest: str
    """SHA-256 of the manifest, as the store keeps it."""


async def close_month(
    url: str, month: str, folder: Path, *, log_key: VerifierKey, now: datetime
) -> Closed:
    """`url` is the owner's. Raises NotClosed."""
    _require_over(month, now)
    final = folder / month
    archive = _Archive(folder / f"{month}.partial", now)
    part = f"records_{month.replace('-', '_')}"
    connection = await asyncpg.connect(for_driver(url))
    try:
        if not await connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass($1))", part
        ):
            raise NotClosed(f"{month} is not in the store")
        await _write(connection, part, archive, log_key, month)
        closed = Closed(month, archive.records, final, archive.verify(log_key))
        archive.keep(final)
        await _detach(connection, part, closed, now)
    finally:
        await connection.close()
    return closed


def _require_over(month: str, now: datetime) -> None:
    if _MONTH.fullmatch(month) is None:
        raise NotClosed("a month is written as 2026-10")
    year, number = int(month[:4]), int(month[5:])
    end = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    if now < end + GRACE:
        raise NotClosed(f"{month} is closed a day after its end at the earliest")


async def _write(
    connection: Any, part: str, archive: "_Archive", log_key: VerifierKey, month: str
) -> None:
    head = await connection.fetchrow(_HEAD)
    if head is None:
        raise NotClosed("the log has no checkpoint")
    checkpoint = open_checkpoint(head["note"], log_key=log_key).checkpoint
    archive.begin(head["note"])
    async for entries in _stretches(connection, part):
        if entries[-1].index >= checkpoint.size:
            raise NotClosed("records of the month are beyond the newest checkpoint")
        archive.add(entries)
    # A join leaves out what is in no batch, and so would the archive.
    if archive.records != await connection.fetchval(f"SELECT count(*) FROM {part}"):  # noqa: S608  # a month
        raise NotClosed("records of the month are not in the log")
    if await connection.fetchval(_INCOMPLETE.format(part=part), f"{month}-01"):
        raise NotClosed("records of the month that the log has are missing from the store")
    wanted = manifest.tiles_for(archive.lowest, checkpoint.size)
    for level in {tile.level for tile in wanted}:
        numbers = [tile.number for tile in wanted if tile.level == level]
        for row in await connection.fetch(_TILES, level, numbers):
            width = wanted[tiles.TileId(level, row["number"])]
            content = bytes(row["hashes"])[: width * 32]
            archive.put(tiles.path(level, row["number"], width), content)
    archive.finish(checkpoint.origin, checkpoint.size, month)


class _Archive:
    """The folder that is being written."""

    def __init__(self, folder: Path, now: datetime) -> None:
        self.folder = folder
        self.records = 0
        self.lowest: set[int] = set()
        self._parts = 0
        self._now = now

    def begin(self, note: str) -> None:
        if self.folder.exists():
            raise NotClosed(f"{self.folder} is left of an earlier attempt; take it away first")
        self.put(manifest.CHECKPOINT, note.encode())
        self.put(manifest.RECORDS, b"")

    def put(self, path: str, content: bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def add(self, entries: list[Entry]) -> None:
        self._parts += 1
        with (self.folder / manifest.RECORDS).open("ab") as lines:
            lines.write(formats.lines(entries))
        self.put(f"records-{self._parts:05}.parquet", formats.parquet(entries))
        self.lowest.update(entry.index - entry.index % tiles.WIDTH for entry in entries)
        self.records += len(entries)

    def finish(self, origin: str, size: int, month: str) -> None:
        found = (path for path in self.folder.rglob("*") if path.is_file())
        listed = sorted(path.relative_to(self.folder).as_posix() for path in found)
        said = Manifest(
            origin=origin,
            size=size,
            records=self.records,
            files=tuple(manifest.file_of(self.folder, path) for path in listed),
            created_at=self._now.isoformat(),
            query={"month": month},
        )
        self.put(manifest.MANIFEST, said.to_json().encode())

    def verify(self, log_key: VerifierKey) -> str:
        """As anybody would, and Parquet against the leaves; gives the manifest's hash."""
        report = verify_export(self.folder, Trust(log_key=log_key))
        if not report.clean:
            raise NotClosed(f"what was written does not verify; it lies in {self.folder}")
        if _leaves_of_parquet(self.folder) != _leaves_of_lines(self.folder):
            raise NotClosed(f"Parquet does not say what the leaves say; see {self.folder}")
        return sha256((self.folder / manifest.MANIFEST).read_bytes()).hexdigest()

    def keep(self, final: Path) -> None:
        for path in [*self.folder.rglob("*"), self.folder]:
            handle = os.open(path, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)
        self.folder.rename(final)


async def _stretches(connection: Any, part: str) -> AsyncIterator[list[Entry]]:
    """In the log's order."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        rows = await connection.cursor(
            f"SELECT first_index + position AS log_index, r.* FROM {part} AS r"  # noqa: S608  # as above
            " JOIN log_batches AS b ON b.process_id = r.process_id AND b.number = r.batch"
            " ORDER BY first_index, position"
        )
        while found := await rows.fetch(_STRETCH):
            yield [
                Entry(
                    row["log_index"],
                    row["id"],
                    row["recorded_at"],
                    bytes(row["leaf"]),
                    None,
                    row["process_id"],
                    row["batch"],
                    row["position"],
                )
                for row in found
            ]


def _leaves_of_parquet(folder: Path) -> list[str]:
    import pyarrow.parquet as pq  # noqa: PLC0415  # 40 MB that only exports and archives need

    found: Sequence[Path] = sorted(folder.glob("records-*.parquet"))
    return [
        leaf for part in found for leaf in pq.read_table(part, columns=["leaf"])["leaf"].to_pylist()
    ]


def _leaves_of_lines(folder: Path) -> list[str]:
    with (folder / manifest.RECORDS).open("rb") as lines:
        return [manifest.read_record(line).leaf for line in lines]


async def _detach(connection: Any, part: str, closed: Closed, now: datetime) -> None:
    """The detached table stays beside, for the owner to drop when the archive is stored safely."""
    async with connection.transaction():
        await connection.execute("SET LOCAL lock_timeout = '2s'")
        await connection.execute(f"LOCK TABLE {part} IN ACCESS EXCLUSIVE MODE")
        if closed.records != await connection.fetchval(f"SELECT count(*) FROM {part}"):  # noqa: S608  # a month
            raise NotClosed("records came in while the month was closed; take the archive away")
        await connection.execute(
            "INSERT INTO archived_months (month, records, manifest, archived_at)"
            " VALUES ($1, $2, $3, $4)",
            closed.month,
            closed.records,
            closed.manifest,
            now,
        )
        await connection.execute(f"ALTER TABLE records DETACH PARTITION {part}")
