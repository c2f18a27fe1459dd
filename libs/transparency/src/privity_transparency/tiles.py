"""Tiles and entry bundles of a log (c2sp.org/tlog-tiles): names, widths, contents, growth."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from privity_transparency.encoding import HASH_BYTES, Malformed
from privity_transparency.merkle import EMPTY_ROOT, fold, node_hash

HEIGHT = 8
WIDTH = 1 << HEIGHT
_PATH = re.compile(
    r"tile/(?P<level>entries|[0-9]|[1-5][0-9]|6[0-3])"
    r"/(?P<number>(?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)
LONGEST_ENTRY = 0xFFFF


class TileId(NamedTuple):
    level: int
    number: int


class TilePath(NamedTuple):
    """A parsed path. The level is nothing for an entry bundle."""

    level: int | None
    number: int
    width: int


def path(level: int | None, number: int, width: int = WIDTH) -> str:
    """`tile/0/x001/x234/067.p/8`; level None is the entry bundle of that number."""
    groups = []
    while True:
        number, rest = divmod(number, 1000)
        groups.append(f"{rest:03}")
        if not number:
            break
    name = "/".join([*(f"x{group}" for group in reversed(groups[1:])), groups[0]])
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{'entries' if level is None else level}/{name}{partial}"


def parse_path(text: str) -> TilePath:
    match = _PATH.fullmatch(text)
    if match is None:
        raise Malformed("not the path of a tile")
    level = None if match["level"] == "entries" else int(match["level"])
    number = int(match["number"].replace("x", "").replace("/", ""))
    parsed = TilePath(level, number, int(match["width"] or WIDTH))
    if path(*parsed) != text:  # a leading x000, a width of 256 or more
        raise Malformed("not the canonical path of a tile")
    return parsed


def width(level: int, number: int, size: int) -> int:
    """How many hashes this tile has in a tree of this size: 0 to 256."""
    return max(0, min(WIDTH, (size >> (HEIGHT * level)) - number * WIDTH))


def all_tiles(size: int) -> Iterator[tuple[TileId, int]]:
    """Every tile of a tree of this size with its width, level by level."""
    level = 0
    while hashes := size >> (HEIGHT * level):
        for number in range(-(-hashes // WIDTH)):
            yield TileId(level, number), min(WIDTH, hashes - number * WIDTH)
        level += 1


def bundle(entries: Iterable[bytes]) -> bytes:
    """An entry bundle: each entry after its length in two bytes."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def parse_bundle(content: bytes) -> list[bytes]:
    entries = []
    at = 0
    while at < len(content):
        end = at + 2 + int.from_bytes(content[at : at + 2], "big")
        if at + 2 > len(content) or end > len(content):
            raise Malformed("the bundle ends inside an entry")
        entries.append(content[at + 2 : end])
        at = end
    return entries


class Growth:
    """A tree that grows tile by tile. It keeps the rightmost tile of each level, no more."""

    def __init__(self, size: int = 0, edge: Mapping[TileId, bytes] | None = None) -> None:
        """`edge`: the partial tiles of a tree of this size (see `edge_of`)."""
        self.size = size
        self._rows: list[bytearray] = []
        for tile in edge_of(size):
            wanted = width(*tile, size) * HASH_BYTES
            content = (edge or {}).get(tile, b"")[:wanted]
            if len(content) != wanted:
                raise ValueError(f"tile {tile.level}/{tile.number} does not reach {size} leaves")
            self._rows.append(bytearray(content))

    def append(self, hashed_leaves: Iterable[bytes]) -> dict[TileId, bytes]:
        """Adds the leaves. Returns every tile that changed, as it is now."""
        changed: dict[TileId, bytes] = {}
        touched: set[int] = set()
        for each in hashed_leaves:
            self._push(0, each, changed, touched)
            self.size += 1
        for level in touched:
            if row := self._rows[level]:
                changed[TileId(level, self._number(level))] = bytes(row)
        return changed

    def root(self) -> bytes:
        """The root hash, from the edge alone."""
        parts = [part for row in reversed(self._rows) for part in _perfect(row)]
        return fold(parts) if parts else EMPTY_ROOT

    def _push(
        self, level: int, each: bytes, changed: dict[TileId, bytes], touched: set[int]
    ) -> None:
        if level == len(self._rows):
            self._rows.append(bytearray())
        row = self._rows[level]
        row += each
        touched.add(level)
        if len(row) == WIDTH * HASH_BYTES:
            number = ((self.size + 1) >> (HEIGHT * (level + 1))) - 1
            changed[TileId(level, number)] = bytes(row)
            [whole] = _perfect(row)
            row.clear()
            self._push(level + 1, whole, changed, touched)

    def _number(self, level: int) -> int:
        return self.size >> (HEIGHT * (level + 1))


def edge_of(size: int) -> list[TileId]:
    """For each level the tile that the next hash goes to; it may be empty still."""
    levels = -(-size.bit_length() // HEIGHT)
    return [TileId(level, size >> (HEIGHT * (level + 1))) for level in range(levels)]


def _perfect(row: bytes | bytearray) -> list[bytes]:
    """The hashes of a tile as roots of perfect subtrees of falling size."""
    hashes = [bytes(row[i : i + HASH_BYTES]) for i in range(0, len(row), HASH_BYTES)]
    found = []
    while hashes:
        count = 1 << (len(hashes).bit_length() - 1)
        part, hashes = hashes[:count], hashes[count:]
        while len(part) > 1:
            part = [node_hash(part[i], part[i + 1]) for i in range(0, len(part), 2)]
        found.append(part[0])
    return found
