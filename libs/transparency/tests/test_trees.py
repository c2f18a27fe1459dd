"""Trees, tiles and proofs against the definitions of RFC 6962, written down once more, plainly."""

from __future__ import annotations

import itertools
import random
from hashlib import sha256

import pytest

from privity_transparency import merkle, plans, tiles
from privity_transparency.merkle import CompactRange, NotProven, leaf_hash
from privity_transparency.tiles import Growth, TileId

LEAVES = [leaf_hash(str(number).encode()) for number in range(70_000)]


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, to the letter."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def grown(size: int, steps: int) -> tuple[Growth, dict[TileId, bytes]]:
    """A tree in tiles, made in several appends, and continued from its stored edge each time."""
    stored: dict[TileId, bytes] = {}
    growth = Growth()
    cuts = sorted({0, size, *(random.Random(steps).randrange(size + 1) for _ in range(steps))})
    for low, high in itertools.pairwise(cuts):
        growth = Growth(low, stored)
        stored |= growth.append(LEAVES[low:high])
        assert growth.size == high
    return growth, stored


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 8, 255, 256, 257, 600])
def test_root_is_the_rfcs(size: int) -> None:
    leaves = LEAVES[:size]

    assert merkle.root_of(leaves) == mth(leaves)
    assert grown(size, 4)[0].root() == mth(leaves)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 512, 66_000])
def test_tiles_hold_what_the_specification_says(size: int) -> None:
    _, stored = grown(size, 7)

    said = dict(tiles.all_tiles(size))

    assert {tile: len(content) // 32 for tile, content in stored.items()} == said
    for tile, content in stored.items():
        for place in {0, said[tile] // 2, said[tile] - 1}:
            width = 256**tile.level
            first = (tile.number * 256 + place) * width
            assert content[place * 32 : place * 32 + 32] == mth(LEAVES[first : first + width])


def test_seventy_thousand_leaves_have_the_tiles_of_the_specifications_example() -> None:
    said = list(tiles.all_tiles(70_000))

    assert sum(1 for tile, width in said if tile.level == 0 and width == 256) == 273
    assert [(tile, width) for tile, width in said if width < 256] == [
        (TileId(0, 273), 112),
        (TileId(1, 1), 17),
        (TileId(2, 0), 1),
    ]


def test_an_edge_that_is_too_short_is_no_edge() -> None:
    _, stored = grown(300, 2)
    stored[TileId(0, 1)] = stored[TileId(0, 1)][:-32]

    with pytest.raises(ValueError, match="does not reach"):
        Growth(300, stored)


def test_every_inclusion_proof_of_small_trees_proves_and_no_other_place_does() -> None:
    for size in range(1, 34):
        root, stored = mth(LEAVES[:size]), grown(size, 1)[1]
        for index in range(size):
            proof = plans.resolve(plans.inclusion(index, size), stored)
            merkle.verify_inclusion(
                index=index, size=size, hashed_leaf=LEAVES[index], proof=proof, root=root
            )
            for other in {index ^ 1, index + 1, size}:
                with pytest.raises(NotProven):
                    merkle.verify_inclusion(
                        index=other, size=size, hashed_leaf=LEAVES[index], proof=proof, root=root
                    )


def test_every_consistency_proof_of_small_trees_proves_and_with_a_flipped_bit_none() -> None:
    for size in range(1, 34):
        stored = grown(size, 1)[1]
        for start in range(size):
            for end in range(start + 1, size + 1):
                if not merkle.is_subtree(start, end):
                    continue
                proof = plans.resolve(plans.subtree_consistency(start, end, size), stored)
                roots = {"subtree_root": mth(LEAVES[start:end]), "root": mth(LEAVES[:size])}
                merkle.verify_subtree_consistency(
                    start=start, end=end, size=size, proof=proof, **roots
                )
                for place in range(len(proof)):
                    bent = [*proof]
                    bent[place] = bytes([bent[place][0] ^ 1]) + bent[place][1:]
                    with pytest.raises(NotProven):
                        merkle.verify_subtree_consistency(
                            start=start, end=end, size=size, proof=bent, **roots
                        )


def test_proofs_across_tiles_need_a_few_tiles_and_prove() -> None:
    size1, size2 = 65_600, 70_000
    stored = grown(size2, 5)[1]
    root1, root2 = (CompactRange(), CompactRange())
    for leaf in LEAVES[:size1]:
        root1.append(leaf)
    for leaf in LEAVES[:size2]:
        root2.append(leaf)

    consistency = plans.consistency(size1, size2)
    inclusion = plans.inclusion(65_599, size2)

    assert len(plans.tiles_of(consistency)) <= 6
    assert plans.tree_root(size2, stored) == root2.root()
    merkle.verify_consistency(
        size1=size1,
        size2=size2,
        root1=root1.root(),
        root2=root2.root(),
        proof=plans.resolve(consistency, stored),
    )
    merkle.verify_inclusion(
        index=65_599,
        size=size2,
        hashed_leaf=LEAVES[65_599],
        proof=plans.resolve(inclusion, stored),
        root=root2.root(),
    )


def test_a_narrow_tile_is_missed_rather_than_hashed() -> None:
    stored = grown(300, 1)[1]
    stored[TileId(0, 1)] = stored[TileId(0, 1)][:-1]

    with pytest.raises(plans.TileMissing):
        plans.tree_root(300, stored)


def test_paths_are_the_specifications() -> None:
    assert tiles.path(0, 1234067) == "tile/0/x001/x234/067"
    assert tiles.path(1, 0, 1) == "tile/1/000.p/1"
    assert tiles.path(None, 5, 44) == "tile/entries/005.p/44"
    for path in ("tile/0/x001/x234/067", "tile/63/000", "tile/entries/x001/000.p/255"):
        assert tiles.path(*tiles.parse_path(path)) == path


@pytest.mark.parametrize(
    "path",
    [
        "tile/64/000",
        "tile/00/000",
        "tile/0/x000/001",
        "tile/0/1",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/data/000",
        "tile/0/000\n",
        "tile/0/٠٠٠",
    ],
)
def test_other_spellings_of_a_path_are_none(path: str) -> None:
    with pytest.raises(ValueError, match="path of a tile"):
        tiles.parse_path(path)


def test_bundles_come_back_as_they_went_and_a_cut_one_does_not() -> None:
    entries = [b"", b"one", b"x" * 2047]

    assert tiles.parse_bundle(tiles.bundle(entries)) == entries
    for cut in (1, 2047, 2048):
        with pytest.raises(ValueError, match="inside an entry"):
            tiles.parse_bundle(tiles.bundle(entries)[:-cut])
