"""Verifying a log again and again while little of it changes: thousands of times, in minutes.

What a batch's rows and its signature come to is kept until the batch's row differs or somebody says
that its records were touched. Somebody who touched records and kept silent would not be noticed,
and the findings that each test asks for, one by one, would be missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import pytest

from privity_transparency.verifier import database, rows, trusted
from privity_transparency.verifier.examination import Neat, Row
from privity_transparency.verifier.rows import Checked, Signed, Task

_Place = tuple[str, int]


class Remembering:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._read = rows.run
        self._known: dict[_Place, tuple[Signed | None, Neat | list[Row], bool]] = {}
        self.read = 0
        """Batches that were read from the database."""
        monkeypatch.setattr(rows, "run", self._run)
        # In one process, and all at once: there is little to read.
        monkeypatch.setattr(database, "_TASK_RECORDS", 1_000_000)
        monkeypatch.setattr(database, "_WORTH_PROCESSES", 1_000_000)
        # The root over a tile's content depends on nothing else.
        monkeypatch.setattr(trusted, "_top", cache(trusted._top))

    def touched(self, places: Iterable[_Place]) -> None:
        for place in places:
            self._known.pop(place, None)

    async def _run(self, task: Task) -> Checked:
        wanted = list(zip(task.batches, task.signed, strict=True))
        new = [each for each in wanted if self._known.get(each[0], (None,))[0] != each[1]]
        if new:
            places, signed = zip(*new, strict=True)
            found = await self._read(task._replace(batches=places, signed=signed))
            self.read += len(new)
            for (place, said), its_rows, holds in zip(new, found.rows, found.signed, strict=True):
                self._known[place] = (said, its_rows, holds)
        known = [self._known[place] for place in task.batches]
        return Checked([each[1] for each in known], [each[2] for each in known])
