"""A copy of every batch on a disk of the gateway's own, until a witness has seen it in the log.

What was acknowledged survives the loss of the database, back to the last checkpoint that a witness
cosigned: a database that was restored to before gets the missing batches again, as they were
signed. A segment says in its first line whose it is; each batch is a line and its leaves. Zeroes
follow, written beforehand, so that making a batch durable changes the file's content alone.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import structlog

from privacy_gateway.domain.audit.openings import Opening
from privity_transparency.batch import Batch, Process, leaves_hash
from privity_transparency.merkle import leaf_hash
from privity_transparency.note import NotSigned

SUFFIX = ".spool"
_log = structlog.get_logger("privity.audit")


class Certified(NamedTuple):
    """A process and its certificate."""

    process: Process
    certificate: bytes


@dataclass(frozen=True, slots=True)
class Signed:
    """A batch with all that one commit adds."""

    batch: Batch
    signature: bytes
    written_at: datetime
    leaves: list[bytes]
    openings: list[Opening]


@dataclass(slots=True)
class Segment:
    """A file that this process has locked: its own, or one that a dead process left."""

    path: Path
    descriptor: int
    owner: Certified
    last: int = -1
    """The newest batch in it."""
    used_at: float = 0.0
    end: int = 0
    found: list[Signed] | None = None
    """What was read when it was taken over, until somebody has asked for it."""

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


class Spool:
    """The segments of one process. Not for several threads at once."""

    def __init__(self, folder: Path, owner: Certified, *, segment_bytes: int = 4 << 20) -> None:
        self._folder = folder
        self._owner = owner
        self._segment_bytes = segment_bytes
        self._made = 0
        self._writing: Segment | None = None
        self.segments: list[Segment] = []
        """All that this process has locked."""

    def write(self, signed: Signed, *, now: float) -> None:
        """Returns when it is on disk. Raises OSError."""
        content = _written(signed)
        segment = self._writing
        if segment is None or segment.end + len(content) > self._segment_bytes:
            segment = self._begin(len(content))
        try:
            _write_all(segment.descriptor, content, segment.end)
            os.fdatasync(segment.descriptor)
        except OSError:
            self._writing = None  # what is on disk of it is unknown: the next goes elsewhere
            raise
        segment.end += len(content)
        segment.last, segment.used_at = max(segment.last, signed.batch.number), now

    def take_over(self, *, now: float) -> None:
        """Locks what dead processes left; what belongs to a living one stays its own."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ours = {segment.path for segment in self.segments}
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            if path not in ours and (segment := _locked(path, now=now)) is not None:
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
        """Takes away what was last used before then and is in the log up to those numbers."""
        for segment in list(self.segments):
            process = segment.owner.process.process
            if segment.last <= covered.get(process, -1) and segment.used_at < before:
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
        head = _head(self._owner)
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


def batches_of(segments: list[Segment]) -> list[Signed]:
    """The batches of one process in order. Of two with one number, the later was meant.

    Whether each is what its process signed is asked before it is given to a store (`genuine`): most
    are never given, because the store has them.
    """
    by_number: dict[int, Signed] = {}
    for segment in sorted(segments, key=lambda each: each.path):
        found = _read(segment) if segment.found is None else segment.found
        segment.found = None
        for signed in found:
            by_number[signed.batch.number] = signed
    return [by_number[number] for number in sorted(by_number)]


def genuine(batches: Iterable[Signed], process: Process) -> Iterator[Signed]:
    """Up to the first that its process did not sign."""
    for signed in batches:
        try:
            signed.batch.verify(signed.signature, process.public_key)
        except NotSigned:
            _log.error("spool_altered", process=process.process, number=signed.batch.number)
            return
        yield signed


def _locked(path: Path, *, now: float) -> Segment | None:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        owner = _owner_of(path.read_bytes().partition(b"\n")[0])
        segment = Segment(path, descriptor, owner, used_at=now)
        segment.found = list(_read(segment))
        segment.last = max((signed.batch.number for signed in segment.found), default=-1)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except (ValueError, KeyError):
        os.close(descriptor)
        _log.error("spool_unreadable", segment=path.name)
        return None
    return segment


def _read(segment: Segment) -> Iterator[Signed]:
    """Up to the first batch that is not whole: a crash cut it short, nobody was told of it."""
    process = segment.owner.process
    content = segment.path.read_bytes()
    at = content.index(b"\n") + 1
    while content[at : at + 1] == b"{":
        lines_from = content.find(b"\n", at) + 1
        try:
            head = orjson.loads(content[at : lines_from - 1])
        except ValueError:
            return
        end = lines_from + head["bytes"]
        leaves = content[lines_from:end].split(b"\n")[:-1]
        batch = Batch(
            process.process, head["number"], bytes.fromhex(head["previous"]), head["records"],
            bytes.fromhex(head["leaves"]),
        )  # fmt: skip
        if len(leaves) != batch.records or leaves_hash(map(leaf_hash, leaves)) != batch.leaves:
            return
        yield Signed(
            batch,
            bytes.fromhex(head["signature"]),
            datetime.fromisoformat(head["written_at"]),
            leaves,
            [Opening(*each) for each in head["openings"]],
        )
        at = end


def _written(signed: Signed) -> bytes:
    batch = signed.batch
    body = b"\n".join(signed.leaves) + b"\n"
    head = {
        "number": batch.number,
        "previous": batch.previous.hex(),
        "records": batch.records,
        "leaves": batch.leaves.hex(),
        "signature": signed.signature.hex(),
        "written_at": signed.written_at.isoformat(),
        "openings": [list(opening) for opening in signed.openings],
        "bytes": len(body),
    }
    return orjson.dumps(head) + b"\n" + body


def _head(owner: Certified) -> bytes:
    members = {
        "process": owner.process.process,
        "public_key": owner.process.public_key.hex(),
        "started_at": owner.process.started_at.isoformat(),
        "certificate": owner.certificate.hex(),
    }
    return orjson.dumps(members) + b"\n"


def _owner_of(line: bytes) -> Certified:
    members: dict[str, Any] = orjson.loads(line)
    started_at = datetime.fromisoformat(members["started_at"])
    process = Process(members["process"], bytes.fromhex(members["public_key"]), started_at)
    return Certified(process, bytes.fromhex(members["certificate"]))


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
