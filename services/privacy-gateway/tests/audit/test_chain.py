"""Batches are signed and chained, none is lost or doubled, whatever becomes of the connection."""

import asyncio

import asyncpg
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from privacy_gateway.clients.line import for_driver
from privacy_gateway.domain.audit.log import StoreUnavailable
from privity_transparency.batch import FIRST_PREVIOUS, Batch, Process, leaves_hash
from privity_transparency.merkle import leaf_hash


class Broken(AssertionError):
    """What is in the store is not what was signed."""


async def verify(store, identity):
    """Checks every batch by what is in the store alone; gives the records of each process."""
    public = load_pem_private_key(identity.encode(), None).public_key().public_bytes_raw()
    counts = {}
    for process in await store.owner.fetch("SELECT * FROM processes"):
        signer = Process(process["process_id"], process["public_key"], process["started_at"])
        signer.verify(process["certificate"], public)
        counts[signer.process] = 0
    previous = dict.fromkeys(counts, FIRST_PREVIOUS)
    following = dict.fromkeys(counts, 0)
    for row in await store.owner.fetch("SELECT * FROM batches ORDER BY process_id, number"):
        name = row["process_id"]
        batch = Batch(name, row["number"], row["previous"], row["records"], row["leaves"])
        key = await store.owner.fetchval(
            "SELECT public_key FROM processes WHERE process_id = $1", name
        )
        batch.verify(row["signature"], key)
        records = await store.owner.fetch(
            "SELECT leaf, position FROM records WHERE process_id = $1 AND batch = $2"
            " ORDER BY position",
            name,
            batch.number,
        )
        hashes = leaves_hash(leaf_hash(each["leaf"]) for each in records)
        if (batch.number, batch.previous) != (following[name], previous[name]):
            raise Broken("a batch is missing")
        if [each["position"] for each in records] != list(range(batch.records)):
            raise Broken("a record is missing")
        if hashes != batch.leaves:
            raise Broken("a record is another")
        previous[name], following[name] = batch.hash, batch.number + 1
        counts[name] += batch.records
    stored = await store.owner.fetchval("SELECT count(*) FROM records")
    if stored != sum(counts.values()):
        raise Broken("a record is in no batch")
    return counts


async def test_every_record_is_in_a_signed_batch_of_a_certified_process(
    store, new_process, reading, audit_identity
):
    logs = [await new_process(), await new_process()]

    await asyncio.gather(*(log.record([reading()] * 3) for log in logs for _ in range(40)))
    await asyncio.gather(*(log.record([reading()] * 3) for log in logs for _ in range(40)))

    assert sorted((await verify(store, audit_identity)).values()) == [240, 240]


@pytest.mark.parametrize(
    "fault",
    [
        "UPDATE records SET leaf = replace(encode(leaf, 'escape'), 'enquiries', 'delivery')::bytea"
        " WHERE position = 0",
        "DELETE FROM records WHERE position = 1",
        "DELETE FROM batches WHERE number = 1; DELETE FROM records WHERE batch = 1",
        "UPDATE records SET position = 1 - position WHERE batch = 0",
        "INSERT INTO records SELECT 'rec_more', recorded_at, leaf, kind, decision, purpose, role,"
        " subject_tag, actor_tag, categories FROM records LIMIT 1",
    ],
)
async def test_the_checks_of_these_tests_notice_what_is_altered(
    store, new_process, reading, audit_identity, fault
):
    log = await new_process()
    for _ in range(3):
        await log.record([reading(), reading()])

    await store.owner.execute(fault)

    with pytest.raises(Broken):
        await verify(store, audit_identity)


async def test_a_batch_that_committed_while_its_answer_was_lost_is_found_and_the_chain_goes_on(
    store, new_process, reading, until_it_records, audit_identity
):
    log = await new_process(deadline_seconds=0.5)
    async with store.on_every_insert("PERFORM pg_sleep(0.8)"):
        with pytest.raises(StoreUnavailable):
            await log.record([reading()])
        # The server goes on with a statement whose client has gone, until it would answer.
        await asyncio.sleep(1.2)
    await until_it_records(log, [reading()])

    assert list((await verify(store, audit_identity)).values()) == [2]


async def test_a_batch_that_was_cut_off_is_sent_again_under_its_number(
    store, new_process, reading, until_it_records, audit_identity
):
    log = await new_process()
    async with store.locked():
        waiting = asyncio.create_task(log.record([reading()]))
        await asyncio.sleep(0.2)
        await store.cut_everyone_off()
        with pytest.raises(StoreUnavailable):
            await waiting
    await until_it_records(log, [reading()])

    # Refused, and all the same on record: too much, never too little.
    assert list((await verify(store, audit_identity)).values()) == [2]


async def test_a_batch_that_the_store_refused_gives_its_number_to_the_next(
    store, new_process, reading, audit_identity
):
    log = await new_process()
    async with store.on_every_insert("RAISE EXCEPTION 'no space' USING ERRCODE = '53100'"):
        with pytest.raises(StoreUnavailable):
            await log.record([reading()])

    await log.record([reading()])

    assert list((await verify(store, audit_identity)).values()) == [1]


async def test_connections_that_are_cut_all_the_time_lose_and_double_nothing(
    store, new_process, reading, audit_identity
):
    log = await new_process()
    receipts = []
    done = asyncio.Event()

    async def caller():
        while not done.is_set():
            try:
                receipts.extend(await log.record([reading()]))
            except StoreUnavailable:
                await asyncio.sleep(0.01)

    callers = [asyncio.create_task(caller()) for _ in range(8)]
    for turn in range(15):
        async with asyncio.timeout(60):
            while len(receipts) < 5 * (turn + 1):  # noqa: ASYNC110  # callers get on by themselves
                await asyncio.sleep(0.005)
        await store.cut_everyone_off()
    settled = len(receipts)
    async with asyncio.timeout(10):
        # What follows a batch that was cut off comes after its outcome is known.
        while len(receipts) == settled:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    done.set()
    await asyncio.gather(*callers)

    # As of one moment: a batch that was cut off in its commit may still become visible.
    async with store.owner.transaction(isolation="repeatable_read"):
        counts = await verify(store, audit_identity)
        stored = set(await store.leaves())
    assert {receipt.record_id for receipt in receipts} <= stored
    assert sum(counts.values()) == len(stored) >= len(receipts) > 0


async def test_a_process_whose_batch_number_holds_something_else_records_nothing_more(
    store, new_process, reading
):
    log = await new_process()
    await log.record([reading()])
    await store.owner.execute(
        "INSERT INTO batches SELECT process_id, 1, previous, records, leaves, signature, written_at"
        " FROM batches"
    )

    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await log.record([reading()])

    assert len(await store.leaves()) == 1


async def test_records_appear_with_their_batch_or_not_at_all(store, new_process, reading):
    log = await new_process()
    other = await asyncpg.connect(for_driver(store.urls.runtime))
    seen = []

    async def look():
        while not done.is_set():
            seen.append(
                await other.fetchrow(
                    "SELECT (SELECT count(*) FROM records) AS there,"
                    " (SELECT coalesce(sum(records), 0) FROM batches) AS said"
                )
            )

    done = asyncio.Event()
    looking = asyncio.create_task(look())
    await asyncio.gather(*(log.record([reading()]) for _ in range(200)))
    done.set()
    await looking
    await other.close()

    assert seen
    assert all(row["there"] == row["said"] for row in seen)
