"""What was acknowledged survives the loss of the database's last moments."""

import asyncio
import os
import time

import pytest

from privacy_gateway.domain.audit import segment
from privacy_gateway.domain.audit.log import StoreUnavailable

from .test_chain import verify


async def lose(store, *, after):
    """The database as it was when each process had written so many batches."""
    await store.owner.execute("DELETE FROM records WHERE batch >= $1", after)
    await store.owner.execute("DELETE FROM batches WHERE number >= $1", after)
    if not after:
        await store.owner.execute("DELETE FROM processes; DELETE FROM openings")


async def recorded(log, reading, batches=10):
    return [(await log.record([reading(), reading()]))[0].record_id for _ in range(batches)]


@pytest.mark.parametrize("after", [0, 1, 7])
async def test_a_restored_store_gets_the_missing_batches_from_the_next_process(
    store, new_process, reading, audit_identity, tmp_path, after
):
    gone = await new_process(spool=tmp_path)
    acknowledged = await recorded(gone, reading)
    before = await store.leaves()
    signatures = await store.owner.fetch("SELECT number, signature FROM batches ORDER BY number")
    openings = await store.owner.fetchval("SELECT count(*) FROM openings")
    await gone.close()
    await lose(store, after=after)
    assert not set(acknowledged) <= set(await store.leaves())

    await new_process(spool=tmp_path)

    assert await store.leaves() == before
    again = await store.owner.fetch("SELECT number, signature FROM batches ORDER BY number")
    assert again == signatures
    assert await store.owner.fetchval("SELECT count(*) FROM openings") == openings
    assert sum((await verify(store, audit_identity)).values()) == 20


async def test_a_running_process_gives_a_restored_store_back_what_it_had(
    store, new_process, reading, audit_identity, until_it_records
):
    log = await new_process()
    acknowledged = await recorded(log, reading)
    await lose(store, after=4)
    await store.cut_everyone_off()
    await asyncio.sleep(0.2)

    await until_it_records(log, [reading()])

    assert set(acknowledged) <= set(await store.leaves())
    await verify(store, audit_identity)


async def test_a_living_process_keeps_its_spool_to_itself(store, new_process, reading, tmp_path):
    first = await new_process(spool=tmp_path)
    await recorded(first, reading)
    await lose(store, after=3)

    second = await new_process(spool=tmp_path)

    assert second._chain.replayed == 0
    assert len(await store.leaves()) == 6


async def test_a_batch_that_was_cut_short_on_disk_ends_what_is_given_back(
    store, new_process, reading, audit_identity, tmp_path
):
    gone = await new_process(spool=tmp_path)
    await recorded(gone, reading)
    await gone.close()
    await lose(store, after=0)
    [segment] = tmp_path.glob("*.spool")
    written = segment.read_bytes().rstrip(b"\0")
    segment.write_bytes(written[:-40])

    await new_process(spool=tmp_path)

    counts = await verify(store, audit_identity)
    assert max(counts.values()) == 18


async def test_an_altered_spool_gives_nothing_false_to_the_store(
    store, new_process, reading, audit_identity, tmp_path
):
    gone = await new_process(spool=tmp_path)
    await recorded(gone, reading, 3)
    await gone.close()
    await lose(store, after=0)
    [segment] = tmp_path.glob("*.spool")
    segment.write_bytes(segment.read_bytes().replace(b"enquiries", b"deliverye"))

    await new_process(spool=tmp_path)

    assert await store.leaves() == {}


async def test_without_a_spool_nothing_is_acknowledged(store, new_process, reading, tmp_path):
    log = await new_process(spool=tmp_path / "gone" / "spool")
    (tmp_path / "gone" / "spool").rmdir()
    (tmp_path / "gone").rmdir()
    (tmp_path / "gone").write_text("no folder")

    with pytest.raises(StoreUnavailable):
        await log.record([reading()])

    (tmp_path / "gone").unlink()
    assert await log.record([reading()])


async def test_segments_are_let_go_once_a_witness_has_seen_what_they_hold(
    store, new_process, reading, tmp_path
):
    log = await new_process(spool=tmp_path)
    chain = log._chain
    chain._spool._segment_bytes = 10_000
    await recorded(log, reading, 30)
    segments = sorted(tmp_path.glob("*.spool"))
    assert len(segments) > 3

    await chain.drop({chain.process_id: 14}, keep_seconds=0)

    kept = sorted(tmp_path.glob("*.spool"))
    assert set(kept) < set(segments)
    await log.close()
    await lose(store, after=15)
    await new_process(spool=tmp_path)
    assert await store.owner.fetchval("SELECT count(*) FROM batches") == 30


async def test_segments_are_kept_for_a_while_even_then(store, new_process, reading, tmp_path):
    log = await new_process(spool=tmp_path)
    await recorded(log, reading, 3)

    await log._chain.drop({log._chain.process_id: 2}, keep_seconds=60)

    assert list(tmp_path.glob("*.spool"))


@pytest.fixture
def reads(monkeypatch):
    """The names of the segments that were read, as it happens."""
    seen, read = [], segment.read
    monkeypatch.setattr(segment, "read", lambda each: seen.append(each.path.name) or read(each))
    return seen


async def in_many_segments(new_process, reading, folder, batches=30):
    """A process that is gone, and the files that it left."""
    gone = await new_process(spool=folder)
    gone._chain._spool._segment_bytes = 10_000
    await recorded(gone, reading, batches)
    await gone.close()
    left = sorted(folder.glob("*.spool"))
    assert len(left) > 3
    return gone, left


async def test_a_start_does_not_read_what_the_store_has(
    store, new_process, reading, tmp_path, reads
):
    _, left = await in_many_segments(new_process, reading, tmp_path)

    await (await new_process(spool=tmp_path)).close()

    assert reads == [left[-1].name]  # the one that nobody had filled up
    await (await new_process(spool=tmp_path)).close()
    assert len(reads) == 1
    await lose(store, after=15)
    next_one = await new_process(spool=tmp_path)
    assert next_one._chain.replayed == 15
    assert 1 < len(reads) - 1 < len(left)
    assert await store.owner.fetchval("SELECT count(*) FROM batches") == 30


async def test_a_name_that_a_crash_undid_is_made_again(
    store, new_process, reading, tmp_path, reads
):
    gone, left = await in_many_segments(new_process, reading, tmp_path)
    process = gone._chain.process_id
    for number, path in enumerate(left):
        path.rename(tmp_path / f"{process}.{number:06}.spool")
    await lose(store, after=3)

    await (await new_process(spool=tmp_path)).close()

    assert await store.owner.fetchval("SELECT count(*) FROM batches") == 30
    reads.clear()
    await new_process(spool=tmp_path)
    assert reads == []


async def test_a_segment_ages_also_while_nobody_runs(store, new_process, reading, tmp_path):
    gone, left = await in_many_segments(new_process, reading, tmp_path)
    for path in left[:-1]:
        os.utime(path, (time.time() - 1000,) * 2)
    chain = (await new_process(spool=tmp_path))._chain

    await chain.drop({gone._chain.process_id: 29}, keep_seconds=900)

    assert len(list(tmp_path.glob("*.spool"))) == 1


async def test_only_so_many_segments_are_kept_that_a_witness_has_seen(
    store, new_process, reading, tmp_path
):
    gone, left = await in_many_segments(new_process, reading, tmp_path)
    chain = (await new_process(spool=tmp_path))._chain
    chain._spool._most = 2

    await chain.drop({gone._chain.process_id: -1}, keep_seconds=900)
    assert len(list(tmp_path.glob("*.spool"))) == len(left)
    await chain.drop({gone._chain.process_id: 29}, keep_seconds=900)

    assert len(list(tmp_path.glob("*.spool"))) == 2


async def test_of_two_batches_with_one_number_the_later_was_meant(
    store, new_process, reading, audit_identity, tmp_path
):
    gone = await new_process(spool=tmp_path)
    await recorded(gone, reading, 3)
    chain = gone._chain
    _, entry = await gone._written([reading()])
    refused = chain.sign(entry.rows, entry.openings, now=gone._clock())
    chain._spool.write(refused, now=time.monotonic())  # the store said no, for certain
    chain._spool._segment_bytes = 1
    acknowledged = await recorded(gone, reading, 2)  # the number again, in a segment of its own
    await gone.close()
    before = await store.leaves()
    await lose(store, after=1)

    await new_process(spool=tmp_path)

    assert set(acknowledged) <= set(await store.leaves())
    assert await store.leaves() == before
    await verify(store, audit_identity)
