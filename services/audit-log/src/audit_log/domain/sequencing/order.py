"""The order of the log on the sequencer's own disk, before the signer is asked for it.

A database that is restored to before a signed checkpoint has lost the order of what came after.
The batches come back from the gateways' spools; in what order they were signed stands here.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

_FIRST_INDEX = attrgetter("first_index")


class Placed(NamedTuple):
    """A batch's place in the log."""

    first_index: int
    process: str
    number: int
    records: int

    @property
    def end(self) -> int:
        return self.first_index + self.records


class Order:
    """Lines of what was integrated, oldest first; the oldest are let go when there are many."""

    def __init__(self, path: Path, *, longest_bytes: int = 16 << 20) -> None:
        self._path = path
        self._longest = longest_bytes
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._placed, whole = _read(path)
        os.ftruncate(self._descriptor, whole)

    @property
    def size(self) -> int:
        """Of the log, as far as is known here."""
        return self._placed[-1].end if self._placed else 0

    def after(self, size: int) -> list[Placed] | None:
        """What follows in a log of this size; nothing when that is not known here."""
        following = self._placed[bisect_left(self._placed, size, key=_FIRST_INDEX) :]
        if size < self.size and (not following or following[0].first_index != size):
            return None
        return following

    def append(self, placed: list[Placed]) -> None:
        """Returns when it is on disk. What is there already is not written twice."""
        new = [each for each in placed if each.first_index >= self.size]
        if not new:
            return
        if new[0].first_index != self.size:
            self._begin_anew(new)  # this disk has not seen what came before
            return
        os.write(self._descriptor, b"".join(map(_line, new)))
        os.fdatasync(self._descriptor)
        self._placed += new
        if os.fstat(self._descriptor).st_size > self._longest:
            self._begin_anew(self._placed[len(self._placed) // 2 :])

    def close(self) -> None:
        os.close(self._descriptor)

    def _begin_anew(self, placed: list[Placed]) -> None:
        unfinished = self._path.with_suffix(".unfinished")
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        os.write(descriptor, b"".join(map(_line, placed)))
        os.fsync(descriptor)
        unfinished.rename(self._path)
        os.close(self._descriptor)
        self._descriptor, self._placed = descriptor, list(placed)


def _line(placed: Placed) -> bytes:
    return f"{placed.first_index} {placed.process} {placed.number} {placed.records}\n".encode()


def _read(path: Path) -> tuple[list[Placed], int]:
    """Up to a line that a crash cut short, and how many bytes that is."""
    found: list[Placed] = []
    whole = end = 0
    for line in path.read_bytes().splitlines(keepends=True):
        words = line.split()
        if not line.endswith(b"\n") or len(words) != 4:
            break
        placed = Placed(int(words[0]), words[1].decode(), int(words[2]), int(words[3]))
        if found and placed.first_index != end:
            break
        found.append(placed)
        whole, end = whole + len(line), placed.end
    return found, whole
