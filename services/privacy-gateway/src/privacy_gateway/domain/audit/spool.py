"""A copy of every batch on a disk of the gateway's own, until a witness has seen it in the log.

What was acknowledged survives the loss of the database, back to the last checkpoint that a witness
cosigned: a database that was restored to before gets the missing batches again, as they were
signed. What a witness has seen is kept a while longer, for one that was restored to long before.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from privacy_gateway.domain.audit.segment import (
    SUFFIX,
    Certified,
    Segment,
    Signed,
    head_of,
    locked,
    written,
)


class Spool:
    """The segments of one process. Not for several threads at once."""

    def __init__(
        self,
        folder: Path,
        owner: Certified,
        *,
        segment_bytes: int = 4 << 20,
        most_segments: int = 256,
    ) -> None:
        """`most_segments`: beyond that, what a witness has seen goes, the oldest first. Each costs
        a descriptor and a start some time."""
        self._folder = folder
        self._owner = owner
        self._segment_bytes = segment_bytes
        self._most = most_segments
        self._made = 0
        self._writing: Segment | None = None
        self.segments: list[Segment] = []
        """All that this process has locked."""

    def write(self, signed: Signed, *, now: float) -> None:
        """Returns when it is on disk. Raises OSError."""
        content = written(signed)
        segment = self._writing
        if segment is None or segment.end + len(content) > self._segment_bytes:
            if segment is not None:
                segment.seal()
            segment = self._begin(len(content))
        try:
            _write_all(segment.descriptor, content, segment.end)
            os.fdatasync(segment.descriptor)
        except OSError:
            self._writing = None  # what is on disk of it is unknown: the next goes elsewhere
            raise
        segment.end += len(content)
        segment.took(signed.batch.number, now=now)

    def take_over(self, *, now: float) -> None:
        """Locks what dead processes left; what belongs to a living one stays its own."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ours = {segment.path for segment in self.segments}
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            if path in ours:
                continue
            segment = locked(path, age=_age(path), now=now)
            if segment is not None:
                self.segments.append(segment)

    def taken_over(self) -> dict[Certified, list[Segment]]:
        found: dict[Certified, list[Segment]] = {}
        for segment in self.segments:
            if segment.owner != self._owner:
                found.setdefault(segment.owner, []).append(segment)
        return found

    def own(self) -> list[Segment]:
        return [each for each in self.segments if each.owner == self._owner]

    def drop(self, covered: dict[str, int], *, before: float) -> None:
        """Takes away what is in the log up to those numbers, and was last used before then or is
        more than is kept."""
        beyond = len(self.segments) - self._most
        for at, segment in enumerate(sorted(self.segments, key=lambda each: each.used_at)):
            process = segment.owner.process.process
            unneeded = segment.used_at < before or at < beyond
            if segment.last <= covered.get(process, -1) and unneeded:
                self.segments.remove(segment)
                if segment is self._writing:
                    self._writing = None
                segment.drop()

    def close(self) -> None:
        """Leaves the files to whoever comes next."""
        for segment in self.segments:
            os.close(segment.descriptor)
        self.segments.clear()
        self._writing = None

    def _begin(self, longest: int) -> Segment:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        head = head_of(self._owner)
        size = max(self._segment_bytes, len(head) + longest)
        name = f"{self._owner.process.process}.{self._made:06}"
        self._made += 1
        # Made under another name, so that nobody ever takes over half a head.
        unfinished, path = self._folder / f".{name}", self._folder / f"{name}{SUFFIX}"
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write_all(descriptor, head + bytes(size - len(head)), 0)
            os.fsync(descriptor)
            unfinished.rename(path)
            _sync_folder(self._folder)
        except OSError:
            os.close(descriptor)
            unfinished.unlink(missing_ok=True)
            raise
        segment = Segment(path, descriptor, self._owner, end=len(head))
        self.segments.append(segment)
        self._writing = segment
        return segment


def _age(path: Path) -> float:
    """Seconds since the last batch was written to it. A clock that was set back makes it young."""
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except FileNotFoundError:
        return 0.0


def _write_all(descriptor: int, content: bytes, at: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
