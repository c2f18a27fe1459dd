"""Reading and checking an export's records: block by block, each in any process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from privity_transparency.encoding import Malformed
from privity_transparency.manifest import RecordLine, read_record
from privity_transparency.merkle import leaf_hash
from privity_transparency.verifier.examination import Row
from privity_transparency.verifier.findings import Fault
from privity_transparency.verifier.record import NotCanonical, read

_BLOCK = 4 << 20


class Block(NamedTuple):
    """Whole lines of a file, by bytes."""

    path: str
    offset: int
    length: int


class Line(NamedTuple):
    """What a line says, and the record as it was found; the position is the one in its batch."""

    place: int
    process_id: str
    batch: int
    row: Row


def blocks(path: Path) -> Iterator[Block]:
    with path.open("rb") as content:
        offset, size = 0, path.stat().st_size
        while offset < size:
            content.seek(offset + _BLOCK)
            content.readline()
            end = min(content.tell(), size)
            yield Block(str(path), offset, end - offset)
            offset = end


def check(block: Block) -> list[Line | None]:
    """Nothing for a line that is none."""
    with Path(block.path).open("rb") as content:
        content.seek(block.offset)
        lines = content.read(block.length).split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [_line(line) for line in lines]


def _line(line: bytes) -> Line | None:
    try:
        said = read_record(line)
    except Malformed:
        return None
    return Line(said.index, said.process_id, said.batch, _row(said))


def _row(said: RecordLine) -> Row:
    leaf = said.leaf.encode("utf-8", "surrogatepass")
    problems: tuple[tuple[Fault, str], ...] = ()
    record_id = ""
    try:
        record_id = str(read(leaf).get("id", ""))
    except NotCanonical as wrong:
        problems = ((Fault.NOT_CANONICAL, str(wrong)),)
    return Row(said.position, record_id, leaf_hash(leaf), problems)
