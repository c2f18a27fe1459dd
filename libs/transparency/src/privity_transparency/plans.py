"""Which nodes of the tree make up a proof, and what they hash to once their tiles are there.

A plan names nodes only, so that whoever keeps the tiles can fetch them in any way, all at once:
`tiles_of(plan)` says which, `resolve(plan, tiles)` computes. RFC 6962, sections 2.1.1 and 2.1.2.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from privity_transparency.encoding import HASH_BYTES
from privity_transparency.merkle import fold, is_subtree, node_hash, split
from privity_transparency.tiles import HEIGHT, WIDTH, TileId


class Node(NamedTuple):
    """A perfect subtree of 2**height leaves, with so many others of its height before it."""

    height: int
    before: int


Plan = tuple[tuple[Node, ...], ...]
"""For each hash, the perfect subtrees that it folds, from left to right."""


class TileMissing(LookupError):
    """A tile that the plan needs is not there, or narrower than the tree's size says."""


def span(start: int, end: int) -> tuple[Node, ...]:
    """The leaves [start, end), which begin where a subtree begins, as perfect subtrees."""
    nodes = []
    while start < end:
        height = (end - start).bit_length() - 1
        nodes.append(Node(height, start >> height))
        start += 1 << height
    return tuple(nodes)


def root(size: int) -> Plan:
    return (span(0, size),)


def inclusion(index: int, size: int) -> Plan:
    """The siblings of the leaf, from its own up to the root's child."""
    if not 0 <= index < size:
        raise ValueError("the index is outside the tree")
    found: list[tuple[Node, ...]] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + split(end - start)
        if index < middle:
            found.append(span(middle, end))
            end = middle
        else:
            found.append(span(start, middle))
            start = middle
    return tuple(reversed(found))


def consistency(size1: int, size2: int) -> Plan:
    if not 0 < size1 <= size2:
        raise ValueError("a proof leads from a smaller tree, not the empty one, to a larger one")
    return subtree_consistency(0, size1, size2)


def subtree_consistency(start: int, end: int, size: int) -> Plan:
    if not is_subtree(start, end) or not start < end <= size:
        raise ValueError("not a subtree of this tree")
    found: list[tuple[Node, ...]] = []
    low, high, whole = 0, size, True
    while (low, high) != (start, end):
        middle = low + split(high - low)
        if end <= middle:
            found.append(span(middle, high))
            high = middle
        else:
            found.append(span(low, middle))
            if start < middle:
                start, whole = middle, False
            low = middle
    if not whole:
        found.append(span(low, high))
    return tuple(reversed(found))


def tiles_of(plan: Plan) -> set[TileId]:
    return {_place(node)[0] for nodes in plan for node in nodes}


def resolve(plan: Plan, tiles: Mapping[TileId, bytes]) -> list[bytes]:
    """The hashes of the plan. Wider tiles than the plan's tree needs do no harm."""
    return [fold([_node(node, tiles) for node in nodes]) for nodes in plan]


def tree_root(size: int, tiles: Mapping[TileId, bytes]) -> bytes:
    return resolve(root(size), tiles)[0]


def _place(node: Node) -> tuple[TileId, int, int]:
    """The tile, and which of its hashes (first and how many) the node covers."""
    level, above = divmod(node.height, HEIGHT)
    first = node.before << above
    return TileId(level, first // WIDTH), first % WIDTH, 1 << above


def _node(node: Node, tiles: Mapping[TileId, bytes]) -> bytes:
    tile, first, count = _place(node)
    hashes = tiles.get(tile, b"")[first * HASH_BYTES : (first + count) * HASH_BYTES]
    if len(hashes) != count * HASH_BYTES:
        raise TileMissing(f"tile {tile.level}/{tile.number} does not reach far enough")
    row = [hashes[i : i + HASH_BYTES] for i in range(0, len(hashes), HASH_BYTES)]
    while len(row) > 1:
        row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]


def built(plan: Plan, read: Callable[[TileId], bytes]) -> list[bytes]:
    """For whoever can read tiles one by one."""
    return resolve(plan, {tile: read(tile) for tile in tiles_of(plan)})
