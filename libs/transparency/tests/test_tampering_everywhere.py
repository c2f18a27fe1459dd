"""What is done to a log as a whole is noticed wherever it begins: cut off, forked, shown as it was.

The short form tries a few places of a log of 1,200 records; the long one (`make torture`) every
place of a log of 10,000.
"""
# ruff: noqa: S608  # our own tables and columns stand in the statements

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import asyncpg
import pytest

from privity_postgres.testing import DatabaseUrls
from privity_transparency import merkle
from privity_transparency.checkpoint import Checkpoint
from privity_transparency.note import Note
from privity_transparency.tiles import WIDTH, Growth, TileId
from privity_transparency.verifier.findings import Fault

from .conftest import RECORDS, WHOLE, verify
from .made_log import BEGAN, ORIGIN, MadeLog
from .remembering import Remembering
from .tampering import BY_PLACE, Victim, changed

FEW = 12
DELETE = f"DELETE FROM records WHERE {BY_PLACE}"


def places_of(end: int, *, seed: int) -> list[int]:
    """Everywhere in the long form; else at the ends and at a few places between."""
    if WHOLE:
        return list(range(end))
    return sorted({0, end - 1, *random.Random(seed).sample(range(end), FEW)})


@pytest.fixture
def remembering(monkeypatch: pytest.MonkeyPatch) -> Remembering:
    return Remembering(monkeypatch)


@pytest.fixture
def hashes(made: MadeLog) -> list[bytes]:
    return [merkle.leaf_hash(row[2]) for row in made.rows["records"]]


def head(made: MadeLog, size: int, root: bytes, *, cosigned: bool) -> str:
    text = Checkpoint(ORIGIN, size, root).text
    lines = [made.log.sign(text)]
    if cosigned:
        lines.append(made.witness.sign(text, time=1_795_000_000))
    return str(Note(text, tuple(lines)))


def roots(hashes: Iterable[bytes]) -> list[bytes]:
    """Of the first record, the first two, and so on."""
    tree, found = merkle.CompactRange(), []
    for each in hashes:
        tree.append(each)
        found.append(tree.root())
    return found


async def show(owner: asyncpg.Connection, size: int, root: bytes, note: str) -> None:
    """As the only checkpoint there is, filed as what it is."""
    await owner.execute("DELETE FROM checkpoints")
    cosigned = len(Note.parse(note).signatures) > 1
    await owner.execute(
        "INSERT INTO checkpoints VALUES ($1, $2, $3, $4, $5)", size, root, note, cosigned, BEGAN
    )


async def test_a_log_cut_off_anywhere_misses_each_record_that_was_signed(
    urls: DatabaseUrls,
    owner: asyncpg.Connection,
    made: MadeLog,
    remembering: Remembering,
    record_figures: Callable[[str], None],
) -> None:
    cuts = places_of(RECORDS, seed=5)
    end = RECORDS
    for cut in reversed(cuts):
        gone = [row[10:] for row in made.rows["records"][cut:end]]
        await owner.executemany(DELETE, gone)
        remembering.touched((process, batch) for process, batch, _ in gone)
        end = cut

        report = await verify(urls, made)

        assert report.faults == {Fault.REMOVED: RECORDS - cut}
        assert [each.index for each in report.findings] == list(range(cut, RECORDS))
    record_figures(f"tampering, truncate: {len(cuts)} cuts, every missing record named")


async def test_an_old_head_of_any_size_shown_again_is_older_than_what_somebody_kept(
    urls: DatabaseUrls,
    owner: asyncpg.Connection,
    made: MadeLog,
    hashes: list[bytes],
    remembering: Remembering,
    record_figures: Callable[[str], None],
) -> None:
    """Signed and cosigned in its day, as if the log had been shown at every single size."""
    kept, shown = made.heads[-1], roots(hashes)
    places = places_of(RECORDS - 1, seed=7)
    for place in places:
        size, root = place + 1, shown[place]
        await show(owner, size, root, head(made, size, root, cosigned=True))

        report = await verify(urls, made, known=(kept,))

        assert report.faults == {Fault.SHORTER: 1}
        assert report.findings[0].index == size
    record_figures(f"tampering, old heads: {len(places)} shown again, each named by its size")


async def _cut_to(owner: asyncpg.Connection, hashes: list[bytes], size: int) -> None:
    """The whole database as it was when the log had `size` records: a backup put back."""
    await owner.execute("DELETE FROM log_batches WHERE first_index >= $1", size)
    for table, number in (("batches", "number"), ("records", "batch")):
        await owner.execute(
            f"DELETE FROM {table} t WHERE NOT EXISTS (SELECT FROM log_batches l "
            f"WHERE l.process_id = t.process_id AND l.number = t.{number})"
        )
    await owner.execute("DELETE FROM tiles")
    grown = Growth().append(hashes[:size])
    await owner.executemany(
        "INSERT INTO tiles VALUES ($1, $2, $3)", [(*tile, hashes) for tile, hashes in grown.items()]
    )


async def test_an_old_state_put_back_is_shorter_than_what_somebody_kept(
    urls: DatabaseUrls,
    owner: asyncpg.Connection,
    made: MadeLog,
    hashes: list[bytes],
    remembering: Remembering,
    record_figures: Callable[[str], None],
) -> None:
    """As it was before each batch came in, with the head of then."""
    shown = roots(hashes)
    ends = [first for first, *_ in made.rows["log_batches"][1:]]
    sizes = ends if WHOLE else ends[:: len(ends) // 4]
    for size in reversed(sizes):
        await _cut_to(owner, hashes, size)
        root = shown[size - 1]
        await show(owner, size, root, head(made, size, root, cosigned=True))

        assert (await verify(urls, made)).clean  # from within, nothing can be seen
        report = await verify(urls, made, known=(made.heads[-1],))

        assert report.faults == {Fault.SHORTER: 1}
        assert report.findings[0].index == size
    record_figures(f"tampering, old states: {len(sizes)} put back, each named by its size")


async def test_a_fork_from_any_record_on_is_no_growth_of_what_somebody_kept(
    urls: DatabaseUrls,
    owner: asyncpg.Connection,
    made: MadeLog,
    hashes: list[bytes],
    remembering: Remembering,
    record_figures: Callable[[str], None],
) -> None:
    """Whoever has the log's own key and the database rewrites one record and all that hangs on it:
    its columns, the tiles, the head. The batch is signed with a key that they do not have."""
    victim = Victim(owner, made, random.Random(11))
    listed = made.rows["log_batches"]
    tiles = Growth().append(hashes)
    places = places_of(RECORDS, seed=8)
    batch = 0
    for index in places:
        while listed[batch][0] + listed[batch][3] <= index:
            batch += 1
        first, process, number, records = listed[batch]
        row = victim.row(index)
        leaf = changed(row["leaf"], purpose="catalogue")
        await victim.set(index, leaf=leaf, purpose="catalogue")
        rewritten = forked(tiles, hashes, index, merkle.leaf_hash(leaf))
        await write(owner, {tile: rewritten[tile] for tile in on_the_way(index, rewritten)})
        root = Growth(RECORDS, rewritten).root()
        await show(owner, RECORDS, root, head(made, RECORDS, root, cosigned=False))
        remembering.touched([(process, number)])

        report = await verify(urls, made, known=(made.heads[-1],))

        assert report.faults == {Fault.FORK: 1, Fault.CHECKPOINT: 1, Fault.ORDER: 1}
        [found] = [each for each in report.findings if each.fault is Fault.ORDER]
        assert found.index == first
        assert f"records {first} to {first + records - 1}" in found.what
        await victim.set(index, leaf=row["leaf"], purpose=row["purpose"])
        await write(owner, {tile: tiles[tile] for tile in on_the_way(index, tiles)})
        remembering.touched([(process, number)])
    record_figures(f"tampering, forks: {len(places)} forks, each noticed and its batch named")


def on_the_way(index: int, tiles: dict[TileId, bytes]) -> list[TileId]:
    """The tiles that change with a record."""
    found, number = [], index
    for level in range(8):
        number //= WIDTH
        if (tile := TileId(level, number)) in tiles:
            found.append(tile)
    return found


def forked(
    tiles: dict[TileId, bytes], hashes: list[bytes], index: int, other: bytes
) -> dict[TileId, bytes]:
    """The tiles with another hash for one record."""
    found = dict(tiles)
    number = index
    for tile in on_the_way(index, tiles):
        content, at = found[tile], number % WIDTH * 32
        found[tile] = content = content[:at] + other + content[at + 32 :]
        if len(content) < WIDTH * 32:
            break
        number, other = (
            tile.number,
            merkle.root_of(content[each : each + 32] for each in range(0, len(content), 32)),
        )
    return found


async def write(owner: asyncpg.Connection, tiles: dict[TileId, bytes]) -> None:
    await owner.executemany(
        "UPDATE tiles SET hashes = $3 WHERE level = $1 AND number = $2",
        [(*tile, content) for tile, content in tiles.items()],
    )


async def test_records_touched_behind_the_harness_are_missed(
    urls: DatabaseUrls, owner: asyncpg.Connection, made: MadeLog, remembering: Remembering
) -> None:
    """The fault planted in what makes all of this fast."""
    assert (await verify(urls, made)).clean
    read = remembering.read
    victim = Victim(owner, made, random.Random(12))
    await owner.execute(DELETE, *victim.place(17))
    assert (await verify(urls, made)).clean
    assert remembering.read == read

    remembering.touched([victim.place(17)[:2]])

    assert [each.index for each in (await verify(urls, made)).findings] == [17]
    assert remembering.read == read + 1
