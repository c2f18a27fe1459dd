"""Whether each record of an export says the batch and position that the log has it in."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from hashlib import sha256

from privity_transparency.manifest import BatchLine
from privity_transparency.verifier.findings import Fault, Report
from privity_transparency.verifier.lines import Line
from privity_transparency.verifier.trusted import TrustedTiles


class Placement:
    def __init__(self, batches: Sequence[BatchLine], trusted: TrustedTiles, report: Report) -> None:
        self._batches = sorted(batches, key=lambda each: each.first_index)
        self._starts = [each.first_index for each in self._batches]
        self._report = report
        for first, batch, _ in self._batches:
            hashes = trusted.hashes(first, first + batch.records)
            if hashes is not None and sha256(hashes).digest() != batch.leaves:
                report.add(
                    Fault.ORDER,
                    f"batch {batch.number} of {batch.process} is not the one at this place",
                    index=first,
                )

    def check(self, lines: Sequence[Line]) -> None:
        at = bisect_right(self._starts, lines[0].place) - 1
        for line in lines:
            while at + 1 < len(self._starts) and self._starts[at + 1] <= line.place:
                at += 1
            if at < 0:
                self._wrong(line)
                continue
            first, batch, _ = self._batches[at]
            said = (line.process_id, line.batch, line.row.position)
            if said != (batch.process, batch.number, line.place - first):
                self._wrong(line)

    def _wrong(self, line: Line) -> None:
        self._report.add(
            Fault.COLUMN,
            "its batch and position are not those that the log has it in",
            index=line.place,
            record_id=line.row.record_id,
        )
