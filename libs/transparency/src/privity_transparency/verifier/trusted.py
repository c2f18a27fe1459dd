"""Which stored tiles lead up to the signed root, and are therefore as they were signed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from privity_transparency import plans, tiles
from privity_transparency.encoding import HASH_BYTES
from privity_transparency.merkle import root_of
from privity_transparency.tiles import WIDTH, TileId
from privity_transparency.verifier.findings import Fault, Report

_FULL = WIDTH * HASH_BYTES


class TrustedTiles:
    """`upper`: tiles above level 0, and those of the right edge; the others come later.

    `expected`: those above level 0 that have to be there.
    """

    def __init__(
        self,
        size: int,
        root: bytes,
        upper: Mapping[TileId, bytes],
        report: Report,
        *,
        expected: Iterable[TileId],
    ) -> None:
        self.size = size
        self._report = report
        self._trusted: dict[TileId, bytes] = {}
        self._doubtful: dict[TileId, bytes] = {}
        try:
            rooted = plans.tree_root(size, upper) == root if size else True
        except plans.TileMissing:
            rooted = False
        edge = plans.tiles_of(plans.root(size))
        if rooted:
            self._trusted |= {tile: _cut(tile, upper[tile], size) for tile in edge}
        else:
            report.add(Fault.TILE, "the tiles on the right edge do not lead to the signed root")
            self._doubtful |= {tile: _cut(tile, upper.get(tile, b""), size) for tile in edge}
        for tile in sorted(expected, reverse=True):
            if tile.level and tile not in edge:
                self.trust(tile, upper.get(tile))

    def trust(self, tile: TileId, content: bytes | None) -> bool:
        """Whether a tile is what the level above says. One of the edge already is, or is not."""
        width = tiles.width(*tile, self.size)
        if tile in self._trusted:
            return True
        if width == 0 or tile in self._doubtful:
            return False
        above = self._trusted.get(TileId(tile.level + 1, tile.number // WIDTH))
        at = tile.number % WIDTH * HASH_BYTES
        whole = content is not None and len(content) == width * HASH_BYTES
        if above and whole and content and _top(content) == above[at : at + HASH_BYTES]:
            self._trusted[tile] = content
            return True
        self._doubtful[tile] = content or b""
        if above:
            what = "is missing" if content is None else "is not what the tree says"
            self._report.add(Fault.TILE, f"{tiles.path(*tile)} {what}")
        return False

    def hashes(self, start: int, end: int) -> bytes | None:
        """The leaf hashes [start, end), if all of them are trusted."""
        return _slice(self._trusted, start, end)

    def stored_hashes(self, start: int, end: int) -> bytes | None:
        """The same as it lies there, to be believed only if something else bears it out."""
        return _slice({**self._doubtful, **self._trusted}, start, end)

    def lowest(self) -> list[tuple[int, bytes]]:
        """What is kept of the lowest level, by number."""
        kept = {**self._doubtful, **self._trusted}
        return [(tile.number, content) for tile, content in kept.items() if tile.level == 0]

    def forget(self, *, below: int) -> None:
        """Lets go of the lowest level's tiles before this leaf."""
        for kept in (self._trusted, self._doubtful):
            for tile in [t for t in kept if t.level == 0 and t.number < below // WIDTH]:
                del kept[tile]


def _slice(contents: Mapping[TileId, bytes], start: int, end: int) -> bytes | None:
    parts = []
    for number in range(start // WIDTH, -(-end // WIDTH)):
        content = contents.get(TileId(0, number))
        if content is None:
            return None
        first = max(start - number * WIDTH, 0)
        last = min(end - number * WIDTH, WIDTH)
        parts.append(content[first * HASH_BYTES : last * HASH_BYTES])
    found = b"".join(parts)
    return found if len(found) == (end - start) * HASH_BYTES else None


def _cut(tile: TileId, content: bytes, size: int) -> bytes:
    """A stored tile may have grown past the checkpoint's size."""
    return content[: tiles.width(*tile, size) * HASH_BYTES]


def _top(content: bytes) -> bytes:
    return root_of(content[at : at + HASH_BYTES] for at in range(0, len(content), HASH_BYTES))
