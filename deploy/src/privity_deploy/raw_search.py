"""Looking for somebody's data in raw bytes: database files, logs, whatever lies on the disk.

Every byte is read once, for all values in all spellings (`raw_spellings`) at a time; what is
compressed with gzip or zlib is looked into. PostgreSQL's own compression of long values is not:
where its files are searched, its tables are searched as it reads them out, too (`raw_places`).
"""

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ahocorasick_rs import BytesAhoCorasick, Implementation

from privity_deploy.raw_spellings import Spelling, spellings

CHUNK = 4 * 1024 * 1024
UNPACKED = 4 * 1024 * 1024
"""As much of each compressed stream is looked at."""
# gzip (RFC 1952, deflate) and zlib (RFC 1950, the usual window at each of its levels).
_STREAM = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")
_DEPTH = 2


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a value lies. `value` is its label: a report must not repeat what it found."""

    path: Path
    offset: int
    value: str
    spelling: str


@dataclass(slots=True)
class Seen:
    """How much was looked at."""

    files: int = 0
    size: int = 0


@dataclass(slots=True)
class _Needles:
    """Labels and names of the spellings that have the same bytes, and the automaton for them."""

    texts: dict[bytes, list[tuple[str, str]]] = field(default_factory=dict)

    def add(self, label: str, spelling: Spelling) -> None:
        self.texts.setdefault(spelling.text, []).append((label, spelling.name))


class RawSearch:
    """Built once for its values, by label; may be used for any number of files."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = dict(values)
        folded, exact = _Needles(), _Needles()
        for label, value in values.items():
            for spelling in spellings(value):
                (exact if spelling.exact else folded).add(label, spelling)
        self._sides = [_Side(folded, lowered=True), _Side(exact, lowered=False)]
        self._overlap = max((side.longest for side in self._sides), default=1)
        self.seen = Seen()

    def files(self, paths: Iterable[Path]) -> Iterator[Hit]:
        """The first hit of each value and spelling in each file."""
        for path in paths:
            told: set[tuple[str, str]] = set()
            for offset, chunk in self._chunks(path):
                for at, label, name in self._within(chunk, _DEPTH):
                    if (label, name) not in told:
                        told.add((label, name))
                        yield Hit(path, offset + at, label, name)

    def text(self, content: bytes) -> set[tuple[str, str]]:
        """Label and spelling of everything in it."""
        return {(label, name) for _, label, name in self._within(content, _DEPTH)}

    def _within(self, content: bytes, depth: int) -> Iterator[tuple[int, str, str]]:
        if not content or content.count(0) == len(content):
            return  # most of a fresh WAL
        for side in self._sides:
            yield from side.find(content)
        if depth:
            for at, kind, unpacked in _streams(content):
                for _, label, name in self._within(unpacked, depth - 1):
                    yield at, label, f"{kind}, {name}"

    def _chunks(self, path: Path) -> Iterator[tuple[int, bytes]]:
        try:
            with path.open("rb") as file:
                self.seen.files += 1
                offset, kept = 0, b""
                while chunk := file.read(CHUNK):
                    self.seen.size += len(chunk)
                    window = kept + chunk
                    yield offset - len(kept), window
                    offset += len(chunk)
                    kept = window[-self._overlap :]
        except FileNotFoundError:
            return  # a server removes files while we look


class _Side:
    """All needles that are compared in the same way."""

    def __init__(self, needles: _Needles, *, lowered: bool) -> None:
        self._lowered = lowered
        self._labels = list(needles.texts.values())
        self.longest = max(map(len, needles.texts), default=1)
        # Not the fastest automaton for short texts, but the one that stays in the cache.
        self._automaton = BytesAhoCorasick(
            list(needles.texts), implementation=Implementation.ContiguousNFA
        )

    def find(self, content: bytes) -> Iterator[tuple[int, str, str]]:
        where = content.lower() if self._lowered else content
        for index, start, _ in self._automaton.find_matches_as_indexes(where, overlapping=True):
            for label, name in self._labels[index]:
                yield start, label, name


def _streams(content: bytes) -> Iterator[tuple[int, str, bytes]]:
    view = memoryview(content)
    for start in _STREAM.finditer(content):
        kind = "gzip" if start[0].startswith(b"\x1f") else "zlib"
        window = zlib.MAX_WBITS + (16 if kind == "gzip" else 0)
        try:
            unpacked = zlib.decompressobj(window).decompress(view[start.start() :], UNPACKED)
        except zlib.error:
            continue  # two bytes that only look like it
        if unpacked:
            yield start.start(), kind, unpacked


def search(files: Iterable[Path], values: Mapping[str, str]) -> Iterator[Hit]:
    """Every first hit of each value and spelling in each file; `values` by label."""
    return RawSearch(values).files(files)


def files_below(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
