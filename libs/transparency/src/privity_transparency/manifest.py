"""What an export of the audit log looks like on disk, and its manifest.

    manifest.json      which files there are, with their SHA-256; which records, of which log
    records.ndjson     a line per record, in the order of the log: see `record_line`
    checkpoint         the signed note that all of it is proved against
    tile/<L>/<N>       tiles (c2sp.org/tlog-tiles): those above each record, and the right edge
    batches.ndjson     optional: the signed batches, in the order of the log: see `batch_line`
    processes.ndjson   optional, and there when batches are: see `process_line`

Other files (CSV, Parquet, OCSF) may lie beside them: the manifest binds them, the leaves prove.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import orjson

from privity_transparency import plans, tiles
from privity_transparency.batch import Batch, Process
from privity_transparency.encoding import Malformed, base64_text, from_base64

FORMAT = "privity-audit-export/v1"
MANIFEST, RECORDS, CHECKPOINT = "manifest.json", "records.ndjson", "checkpoint"
BATCHES, PROCESSES = "batches.ndjson", "processes.ndjson"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class File:
    path: str
    """Relative to the manifest, with slashes."""
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        path = PurePosixPath(self.path)
        if path.is_absolute() or ".." in path.parts or str(path) != self.path or not path.parts:
            raise Malformed("a file of an export lies beside its manifest")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """`first` and `end`: when set, every record from `first` up to before `end` is there, and
    nothing else; otherwise the records are a selection, made by `query`."""

    origin: str
    size: int
    """Of the log, at the checkpoint."""
    records: int
    files: tuple[File, ...]
    first: int | None = None
    end: int | None = None
    created_at: str | None = None
    query: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.first is None) != (self.end is None):
            raise Malformed("a range has a first record and an end")
        if self.first is not None and self.end is not None:
            if not 0 <= self.first <= self.end <= self.size:
                raise Malformed("the range is outside the log")
            if self.end - self.first != self.records:
                raise Malformed("the range holds another number of records")

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"

    @staticmethod
    def from_json(content: str | bytes) -> Manifest:
        try:
            members = json.loads(content)
            if members.pop("format") != FORMAT:
                raise Malformed("an export of another format")
            files = tuple(File(**each) for each in members.pop("files"))
            return Manifest(files=files, **members)
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            if isinstance(exc, Malformed):
                raise
            raise Malformed("not a manifest") from None


def file_of(folder: Path, path: str) -> File:
    """As it lies there now."""
    digest, size = sha256(), 0
    with (folder / path).open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return File(path, size, digest.hexdigest())


@dataclass(frozen=True, slots=True)
class RecordLine:
    """`leaf` is the stored text, verbatim."""

    index: int
    leaf: str
    process_id: str
    batch: int
    position: int


class BatchLine(NamedTuple):
    """`first_index`: where in the log the batch's first record is."""

    first_index: int
    batch: Batch
    signature: bytes


class ProcessLine(NamedTuple):
    process: Process
    certificate: bytes


def record_line(*, index: int, leaf: bytes, process_id: str, batch: int, position: int) -> bytes:
    return _line(asdict(RecordLine(index, leaf.decode(), process_id, batch, position)))


def batch_line(*, first_index: int, batch: Batch, signature: bytes) -> bytes:
    return _line(
        {
            "first_index": first_index,
            "process_id": batch.process,
            "number": batch.number,
            "previous": batch.previous.hex(),
            "records": batch.records,
            "leaves": batch.leaves.hex(),
            "signature": base64_text(signature),
        }
    )


def process_line(*, process: Process, certificate: bytes) -> bytes:
    return _line(
        {
            "process_id": process.process,
            "public_key": process.public_key.hex(),
            "started_at": process.stamp,
            "certificate": base64_text(certificate),
        }
    )


def read_record(line: str | bytes) -> RecordLine:
    try:
        read = RecordLine(**orjson.loads(line))
    except (ValueError, TypeError):
        raise Malformed("not the line of a record") from None
    numbers = (read.index, read.batch, read.position)
    if not all(type(each) is int for each in numbers) or type(read.leaf) is not str:
        raise Malformed("not the line of a record")
    return read


def read_batch(line: str | bytes) -> BatchLine:
    try:
        said = json.loads(line)
        batch = Batch(
            process=said["process_id"],
            number=said["number"],
            previous=bytes.fromhex(said["previous"]),
            records=said["records"],
            leaves=bytes.fromhex(said["leaves"]),
        )
        return BatchLine(int(said["first_index"]), batch, from_base64(said["signature"]))
    except (ValueError, TypeError, KeyError):
        raise Malformed("not the line of a batch") from None


def read_process(line: str | bytes) -> ProcessLine:
    try:
        said = json.loads(line)
        process = Process.at(
            said["process_id"], bytes.fromhex(said["public_key"]), said["started_at"]
        )
        return ProcessLine(process, from_base64(said["certificate"]))
    except (ValueError, TypeError, KeyError):
        raise Malformed("not the line of a process") from None


def tiles_for(indexes: Iterable[int], size: int) -> dict[tiles.TileId, int]:
    """Which tiles, and how wide, an export of these records of a log of this size holds."""
    wanted = set(plans.tiles_of(plans.root(size)))
    level, numbers = 0, {index // tiles.WIDTH for index in indexes}
    while numbers:
        wanted.update(tiles.TileId(level, number) for number in numbers)
        # Only a full tile has a hash in the level above.
        full = {number for number in numbers if tiles.width(level, number, size) == tiles.WIDTH}
        level, numbers = level + 1, {number // tiles.WIDTH for number in full}
    return {tile: tiles.width(*tile, size) for tile in sorted(wanted)}


def _line(members: Mapping[str, Any]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode() + b"\n"
