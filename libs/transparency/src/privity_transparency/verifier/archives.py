"""Months that were closed: their records left the database for a folder, in an export's format."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from hashlib import sha256
from pathlib import Path

from privity_transparency import manifest
from privity_transparency.encoding import Malformed
from privity_transparency.manifest import Manifest
from privity_transparency.verifier.examination import Neat, Row, neat
from privity_transparency.verifier.findings import Fault, Report
from privity_transparency.verifier.lines import blocks, check


class NotAnArchive(Exception):
    """The folder has no manifest that can be read, or no records."""


class Archives:
    """Records by the batch that holds them. They are believed as little as those in tables."""

    def __init__(self, folders: Iterable[Path], report: Report) -> None:
        self._rows: dict[tuple[str, int], list[Row]] = {}
        self._report = report
        self._manifests: dict[str, str] = {}
        for folder in dict.fromkeys(each.resolve() for each in folders):
            self._read(folder, report)

    def require_closed_with(self, manifests: Collection[str]) -> None:
        """`manifests`: the hashes that the store keeps of those that its months were closed with.
        They bind what proves nothing by itself: tiles beside the records, and Parquet."""
        for folder, said in self._manifests.items():
            if said not in manifests:
                what = f"{folder}: no month was closed with this manifest"
                self._report.add(Fault.FILE, what)

    def joined(self, process_id: str, number: int, found: Neat | list[Row]) -> Neat | list[Row]:
        """What the database holds of a batch, with what was archived of it."""
        archived = self._rows.pop((process_id, number), None)
        if archived is None:
            return found
        return neat([*(found.rows() if isinstance(found, Neat) else found), *archived])

    def left(self) -> list[Row]:
        """Records of batches that the log does not have."""
        return [row for rows in self._rows.values() for row in rows]

    def _read(self, folder: Path, report: Report) -> None:
        try:
            content = (folder / manifest.MANIFEST).read_bytes()
            said = Manifest.from_json(content)
        except (OSError, Malformed):
            raise NotAnArchive(f"{folder.name}: there is no manifest that can be read") from None
        self._manifests[folder.name] = sha256(content).hexdigest()
        for file in said.files:
            if not (folder / file.path).is_file():
                report.add(Fault.FILE, f"{folder.name}/{file.path} is missing")
            elif manifest.file_of(folder, file.path) != file:
                report.add(
                    Fault.FILE, f"{folder.name}/{file.path} is not the file that its manifest lists"
                )
        records = folder / manifest.RECORDS
        if not records.is_file():
            raise NotAnArchive(f"{folder.name}: there is no {manifest.RECORDS}")
        for block in blocks(records):
            for line in check(block):
                if line is None:
                    report.add(Fault.FILE, f"{folder.name}: a line of the records is none")
                else:
                    self._rows.setdefault((line.process_id, line.batch), []).append(line.row)
