"""An export on disk: its files against the manifest, its records against the signed head."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from privity_transparency import manifest, plans, tiles
from privity_transparency.encoding import Malformed
from privity_transparency.manifest import BatchLine, Manifest
from privity_transparency.tiles import TileId
from privity_transparency.verifier.chains import Chains, signature_holds
from privity_transparency.verifier.database import Progress
from privity_transparency.verifier.examination import Examination, Neat
from privity_transparency.verifier.findings import Fault, Report
from privity_transparency.verifier.heads import Stored, Trust, open_heads
from privity_transparency.verifier.lines import Line, blocks, check
from privity_transparency.verifier.placement import Placement
from privity_transparency.verifier.trusted import TrustedTiles

_Read = TypeVar("_Read")
_PROVED = {manifest.RECORDS, manifest.CHECKPOINT, manifest.BATCHES, manifest.PROCESSES}
_WORTH_PROCESSES = 4
"""Blocks: starting processes takes longer than reading a few."""


class NotAnExport(Exception):
    """The folder has no manifest that can be read, or not the files of an export."""


def verify_export(
    folder: Path,
    trust: Trust,
    *,
    workers: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Report:
    """Raises NotAnExport, NotSigned or Malformed (of what is known from outside)."""
    report = Report()
    said = _manifest(folder)
    listed = {file.path for file in said.files}
    for file in said.files:
        if not (folder / file.path).is_file():
            report.add(Fault.FILE, f"{file.path} is missing")
        elif manifest.file_of(folder, file.path) != file:
            report.add(Fault.FILE, f"{file.path} is not the file that the manifest lists")
    for needed in (manifest.RECORDS, manifest.CHECKPOINT):
        if needed not in listed or not (folder / needed).is_file():
            raise NotAnExport(f"there is no {needed}")
    note = (folder / manifest.CHECKPOINT).read_text("utf-8", errors="replace")
    heads = open_heads([Stored(note)], trust, report)
    if (heads.anchor.origin, heads.anchor.size) != (said.origin, said.size):
        report.add(Fault.CHECKPOINT, "it is not the one that the manifest speaks of")
        return report
    trusted = _tiles(folder, heads.anchor.size, heads.anchor.root, said, report)
    report.selected = said.first is None
    report.beside = sum(not _proves(path) for path in listed)
    whole = said.first == 0 and said.end == said.size
    chains = Chains(trust.identities, report, from_the_first=said.first == 0)
    examination = Examination(trusted, report, heads.roots if whole and said.size else {})
    walk = _Walk(said, examination, _placement(folder, listed, trusted, chains, report), report)
    for lines in _in_order(folder / manifest.RECORDS, workers or os.cpu_count() or 1):
        walk.take(lines)
        progress(min(walk.lines, said.records), said.records)
    walk.finish()
    examination.finish(trusted.lowest())
    return report


def _proves(path: str) -> bool:
    """What is proved by the checkpoint, and not by the manifest alone."""
    return path in _PROVED or path.startswith("tile/")


def _manifest(folder: Path) -> Manifest:
    try:
        return Manifest.from_json((folder / manifest.MANIFEST).read_bytes())
    except FileNotFoundError:
        raise NotAnExport("there is no manifest.json") from None
    except Malformed as wrong:
        raise NotAnExport(f"manifest.json: {wrong}") from None


def _tiles(folder: Path, size: int, root: bytes, said: Manifest, report: Report) -> TrustedTiles:
    upper: dict[TileId, bytes] = {}
    lowest: dict[TileId, bytes] = {}
    edge = plans.tiles_of(plans.root(size))
    for file in said.files:
        if file.path.startswith("tile/"):
            try:
                level, number, _ = tiles.parse_path(file.path)
            except Malformed:
                report.add(Fault.FILE, f"{file.path} is not a tile of this log")
                continue
            if level is None or not (folder / file.path).is_file():
                continue
            tile = TileId(level, number)
            kept = upper if level or tile in edge else lowest
            kept[tile] = (folder / file.path).read_bytes()
    trusted = TrustedTiles(size, root, upper, report, expected=upper)
    for tile in sorted(lowest):
        trusted.trust(tile, lowest[tile])
    return trusted


def _placement(
    folder: Path, listed: set[str], trusted: TrustedTiles, chains: Chains, report: Report
) -> Placement | None:
    """The batches, if the export has them."""
    if manifest.BATCHES not in listed:
        return None
    if manifest.PROCESSES not in listed:
        raise NotAnExport(f"there are batches without {manifest.PROCESSES}")
    for process in _read(folder / manifest.PROCESSES, manifest.read_process, report):
        chains.add_process(*process)
    read: list[BatchLine] = list(_read(folder / manifest.BATCHES, manifest.read_batch, report))
    for _, batch, signature in read:
        key = chains.key_of(batch.process)
        holds = key is not None and signature_holds(batch, signature, key)
        chains.follow(batch, signed=holds)
    return Placement(read, trusted, report)


def _read(path: Path, kind: Callable[[bytes], _Read], report: Report) -> Iterator[_Read]:
    if not path.is_file():
        return
    with path.open("rb") as content:
        for number, line in enumerate(content, start=1):
            try:
                read = kind(line)
            except Malformed as wrong:
                report.add(Fault.FILE, f"line {number} of {path.name}: {wrong}")
            else:
                yield read


def _in_order(path: Path, workers: int) -> Iterator[list[Line | None]]:
    parts = list(blocks(path))
    if len(parts) < _WORTH_PROCESSES:
        yield from map(check, parts)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        under_way: list[Future[list[Line | None]]] = []
        for part in parts:
            under_way.append(pool.submit(check, part))
            if len(under_way) > 2 * workers:
                yield under_way.pop(0).result()
        for future in under_way:
            yield future.result()


class _Walk:
    """Line by line; runs of consecutive records are compared at once."""

    def __init__(
        self, said: Manifest, examination: Examination, placement: Placement | None, report: Report
    ) -> None:
        self._said = said
        self._examination = examination
        self._placement = placement
        self._report = report
        self._next = said.first or 0
        self._run: list[Line] = []
        self.lines = 0

    def take(self, lines: list[Line | None]) -> None:
        for line in lines:
            self.lines += 1
            if line is None:
                self._report.add(Fault.FILE, f"line {self.lines} of the records is none")
            elif line.place < self._next or line.place >= self._said.size:
                self._flush()
                self._examination.outside([line.row], f"at line {self.lines}")
            else:
                if line.place > self._next:
                    self._flush()
                    self._skip(line.place)
                self._run.append(line)
                self._next = line.place + 1
        self._flush()

    def finish(self) -> None:
        if self._said.end is not None and self._next < self._said.end:
            self._skip(self._said.end)
        if self._said.records != self.lines:
            self._report.add(
                Fault.FILE, f"the manifest speaks of {self._said.records} records, not {self.lines}"
            )

    def _skip(self, place: int) -> None:
        # A selection leaves out what was not asked for.
        if self._said.first is not None:
            self._examination.absent(self._next, place)
        self._next = place

    def _flush(self) -> None:
        run, self._run = self._run, []
        if not run:
            return
        if self._placement is not None:
            self._placement.check(run)
        first = run[0].place
        if any(line.row.problems for line in run):
            rows = [line.row._replace(position=line.place - first) for line in run]
            self._examination.batch(first, len(run), None, rows)
        else:
            hashes = b"".join(line.row.hashed_leaf for line in run)
            found = Neat(hashes, [line.row.record_id for line in run])
            self._examination.batch(first, len(run), None, found)
