"""A file of the spool: its first line says whose it is; each batch is a line and its leaves.

Zeroes follow, written beforehand, so that making a batch durable changes the file's content alone.
A segment that gets no more batches is *sealed*: its name says which numbers it holds, so that
whoever takes it over asks the store for them without reading it. A segment that a crash left
without such a name is read once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
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

SUFFIX = ".spool"
NEVER = 2**63
_LONGEST_HEAD = 4096
_SEALED = re.compile(r"\.(\d+)-(\d+)" + re.escape(SUFFIX))
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
    first: int = -1
    last: int = -1
    """The oldest and the newest batch in it."""
    used_at: float = 0.0
    end: int = 0

    def took(self, number: int, *, now: float) -> None:
        self.first = number if self.first < 0 else min(self.first, number)
        self.last, self.used_at = max(self.last, number), now

    def seal(self) -> None:
        """Nothing is added any more. The name saves work; without it nothing is wrong."""
        if self.last >= 0 and _SEALED.search(self.path.name) is None:
            name = f"{self.path.name.removesuffix(SUFFIX)}.{self.first}-{self.last}{SUFFIX}"
            with contextlib.suppress(OSError):
                self.path = self.path.rename(self.path.with_name(name))

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


def in_order(segments: Iterable[Segment]) -> list[tuple[Segment, int]]:
    """The segments of one process, each with the number at which the next one takes over: of two
    batches with one number, the later was meant."""
    ordered = sorted(segments, key=lambda each: each.path, reverse=True)
    found, end = [], NEVER
    for segment in ordered:
        found.append((segment, end))
        end = min(end, segment.first) if segment.first >= 0 else end
    return found[::-1]


def batches_of(segment: Segment, *, below: int) -> list[Signed]:
    """In order. Whether each is what its process signed is not asked here: most are never given to
    a store, because it has them."""
    by_number = {each.batch.number: each for each in read(segment) if each.batch.number < below}
    return [by_number[number] for number in sorted(by_number)]


def locked(path: Path, *, age: float, now: float) -> Segment | None:
    """A dead process's segment, sealed from now on; nothing when somebody alive has it."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        owner = _owner_of(os.pread(descriptor, _LONGEST_HEAD, 0).partition(b"\n")[0])
        segment = Segment(path, descriptor, owner, used_at=now - age)
        if (sealed := _SEALED.search(path.name)) is not None:
            segment.first, segment.last = int(sealed[1]), int(sealed[2])
        else:
            for signed in read(segment):
                segment.took(signed.batch.number, now=segment.used_at)
            segment.seal()
    except BlockingIOError:
        os.close(descriptor)
        return None
    except (ValueError, KeyError):
        os.close(descriptor)
        _log.error("spool_unreadable", segment=path.name)
        return None
    return segment


def read(segment: Segment) -> Iterator[Signed]:
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


def written(signed: Signed) -> bytes:
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


def head_of(owner: Certified) -> bytes:
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
