"""Recording: durable before a receipt is given, and refused in time when it cannot be."""

import asyncio
from datetime import UTC, datetime

import asyncpg
import pytest

from privacy_gateway.clients.line import NotDurable, for_driver
from privacy_gateway.domain.audit import leaf
from privacy_gateway.domain.audit import store as appending
from privacy_gateway.domain.audit.access import FieldAccess
from privacy_gateway.domain.audit.log import AuditLog, StoreFull, StoreUnavailable
from privacy_gateway.domain.vault.key_cache import Place
from privacy_gateway.domain.vault.vault import Vault
from privacy_gateway.models import AuditBase
from privity_contracts import ids
from privity_database import differences

TWO_SECONDS = 2


async def timed(awaited):
    """How it ended, and after how long."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    [outcome] = await asyncio.gather(awaited, return_exceptions=True)
    return outcome, loop.time() - begun


async def test_the_tables_are_what_the_models_say(audit_database):
    assert await differences(audit_database.owner, AuditBase.metadata) == []


async def test_a_receipt_is_given_for_what_is_stored(store, new_process, reading, customer):
    log = await new_process()

    [receipt] = await log.record([reading(("/email", "user.contact.email", "mask"))])

    [(record_id, content)] = (await store.leaves()).items()
    assert receipt.record_id == record_id
    assert (receipt.subject, receipt.scope) == (customer, f"account/{customer}")
    assert receipt.openable == {"user.contact.email"}
    assert leaf.read(content)["fields"] == {"mask": {"user.contact.email": ["/email"]}}


async def test_nothing_to_record_is_nothing_recorded(store, new_process):
    log = await new_process()

    assert await log.record([]) == []
    assert await store.leaves() == {}


async def test_each_access_has_its_record_and_receipt_in_order(store, new_process, reading):
    log = await new_process()
    people = [ids.mint("cus") for _ in range(50)]

    receipts = await log.record(
        [reading(subject=one, scope=f"account/{one}", resource=one) for one in people]
    )

    assert [receipt.subject for receipt in receipts] == people
    assert set(await store.leaves()) == {receipt.record_id for receipt in receipts}


async def test_the_stored_bytes_are_verbatim_and_the_columns_agree(store, new_process, reading):
    log = await new_process()
    await log.record([reading(), reading(kind="refusal", decision="refuse", reason="no_grant")])

    rows = await store.owner.fetch(
        "SELECT *, array_to_string(categories, ' ') AS joined FROM records"
    )

    assert len(rows) == 2
    for row in rows:
        expected = appending.row_from(row["leaf"])
        assert expected.categories == row["joined"]
        for name in ("id", "recorded_at", "kind", "decision", "subject_tag", "actor_tag"):
            assert getattr(expected, name) == row[name]


async def test_what_waits_while_a_batch_is_under_way_goes_into_the_next(new_process, reading):
    log = await new_process()

    await asyncio.gather(*(log.record([reading()]) for _ in range(300)))

    assert log.recorded == 300
    assert log.batches <= 10
    assert log.waiting == 0


async def test_a_batch_is_bounded(new_process, reading):
    log = await new_process(batch_records=10)

    await asyncio.gather(*(log.record([reading()]) for _ in range(100)))

    assert log.recorded == 100
    assert log.largest_batch == 10


async def test_an_access_with_very_many_fields_is_recorded_whole(store, new_process, reading):
    log = await new_process()
    many = [
        (f"/items/{n}/some_long_name", f"user.cat_{n % 26 * 'x'}", "reveal") for n in range(150)
    ]

    [receipt] = await log.record([reading(*many)])

    stored = await store.leaves()
    assert len(stored) > 1
    assert receipt.record_id in stored
    assert all(len(content) < 2048 for content in stored.values())
    recorded = {
        FieldAccess(name, category, decision)
        for content in stored.values()
        for decision, by_category in leaf.read(content)["fields"].items()
        for category, names in by_category.items()
        for name in names
    }
    assert recorded == {FieldAccess(*field) for field in many}
    assert receipt.openable == {category for _, category, _ in many}


async def test_records_of_a_process_are_in_the_order_of_time_even_if_its_clock_stands(
    store, new_process, reading
):
    stopped = datetime(2026, 11, 22, tzinfo=UTC)
    log = await new_process(clock=lambda: stopped)

    receipts = [await log.record([reading()]) for _ in range(20)]

    rows = await store.owner.fetch("SELECT id FROM records ORDER BY recorded_at, id")
    assert [row["id"] for row in rows] == [receipt.record_id for [receipt] in receipts]


async def test_processes_that_name_the_same_people_do_not_block_each_other(new_process, reading):
    logs = [await new_process() for _ in range(4)]
    people = [ids.mint("cus") for _ in range(30)]

    def accesses(turn):
        turned = people[turn:] + people[:turn]
        return [reading(subject=one, scope=f"account/{one}", resource=one) for one in turned]

    receipts = await asyncio.gather(
        *(log.record(accesses(turn * 7 % 30)) for turn in range(4) for log in logs)
    )

    assert all(len(each) == 30 for each in receipts)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE records SET purpose = 'other'",
        "DELETE FROM records",
        "TRUNCATE records",
        "UPDATE openings SET sealed = ''",
        "DELETE FROM openings",
        "TRUNCATE openings",
        "DROP TABLE records",
        "ALTER TABLE records DISABLE TRIGGER ALL",
        "CREATE TABLE more (id int)",
    ],
)
async def test_the_gateways_role_can_add_and_read_and_nothing_else(
    audit_database, log, reading, change
):
    await log.record([reading()])
    connection = await asyncpg.connect(for_driver(audit_database.runtime))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(change)
    finally:
        await connection.close()


async def test_a_store_that_may_lose_what_it_acknowledged_stops_the_start(store, vault, new_chain):
    await store.admin.execute(f"ALTER ROLE {store.urls.name} SET synchronous_commit = off")

    with pytest.raises(NotDurable):
        await AuditLog(store.urls.runtime, vault, new_chain()).start()


async def test_a_store_that_becomes_forgetful_is_not_used_again(
    store, new_process, reading, until_it_records
):
    log = await new_process()
    await store.admin.execute(f"ALTER ROLE {store.urls.name} SET synchronous_commit = off")
    await store.cut_everyone_off()
    await asyncio.sleep(0.3)

    with pytest.raises(StoreUnavailable):
        await log.record([reading()])

    await store.admin.execute(f"ALTER ROLE {store.urls.name} RESET synchronous_commit")
    assert await until_it_records(log, [reading()])


async def test_a_stopped_store_refuses_at_once_and_returns_by_itself(
    store, new_process, reading, until_it_records
):
    log = await new_process()
    [before] = await log.record([reading()])
    await store.stop()
    await asyncio.sleep(0.1)

    outcomes = await asyncio.gather(*(timed(log.record([reading()])) for _ in range(20)))
    await store.start()
    [after] = await until_it_records(log, [reading()])

    assert {type(outcome) for outcome, _ in outcomes} == {StoreUnavailable}
    assert max(took for _, took in outcomes) < 0.5
    assert set(await store.leaves()) == {before.record_id, after.record_id}
    assert log.refused >= 20


async def test_a_store_that_stops_under_a_batch_gives_no_receipt(store, new_process, reading):
    log = await new_process()
    async with store.locked():
        waiting = [asyncio.create_task(timed(log.record([reading()]))) for _ in range(10)]
        await asyncio.sleep(0.2)
        await store.cut_everyone_off()
        outcomes = await asyncio.gather(*waiting)

    assert {type(outcome) for outcome, _ in outcomes} == {StoreUnavailable}
    assert max(took for _, took in outcomes) < TWO_SECONDS


async def test_a_locked_store_refuses_within_the_deadline_and_returns_by_itself(
    store, new_process, reading, until_it_records
):
    log = await new_process()
    async with store.locked():
        early = [asyncio.create_task(timed(log.record([reading()]))) for _ in range(10)]
        await asyncio.sleep(0.5)
        late = [asyncio.create_task(timed(log.record([reading()]))) for _ in range(10)]
        outcomes = await asyncio.gather(*early, *late)

    assert {type(outcome) for outcome, _ in outcomes} == {StoreUnavailable}
    assert max(took for _, took in outcomes) < TWO_SECONDS
    assert await until_it_records(log, [reading()])


async def test_a_slow_store_refuses_within_the_deadline_and_returns_by_itself(
    store, new_process, reading, until_it_records
):
    log = await new_process()
    async with store.on_every_insert("PERFORM pg_sleep(5)"):
        outcomes = await asyncio.gather(*(timed(log.record([reading()])) for _ in range(10)))
        await store.cut_everyone_off()  # or the trigger could not be dropped for five seconds

    assert {type(outcome) for outcome, _ in outcomes} == {StoreUnavailable}
    assert max(took for _, took in outcomes) < TWO_SECONDS
    assert await until_it_records(log, [reading()])


async def test_the_deadline_counts_from_the_call_and_not_from_its_batch(
    store, new_process, reading
):
    """Each batch is in time here, and whoever waited for the one before is late all the same."""
    log = await new_process(deadline_seconds=1)
    async with store.on_every_insert("PERFORM pg_sleep(0.7)"):
        first = asyncio.create_task(timed(log.record([reading()])))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(timed(log.record([reading()])))
        (in_time, _), (late, _) = await first, await second
        await asyncio.sleep(0.7)  # until the second batch is through

    assert len(in_time) == 1
    assert isinstance(late, StoreUnavailable)
    # The store holds more than was given out, never less.
    assert len(await store.leaves()) == 2


async def test_what_is_given_up_is_ended_on_the_server_too(store, new_process, reading):
    log = await new_process(deadline_seconds=0.2)
    async with store.locked():
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await log.record([reading()])
        await log.close()  # which sent the first batch again and again
        await asyncio.sleep(0.6)
        stuck = await store.admin.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND state = 'active'",
            store.urls.name,
        )

    assert stuck == 0


@pytest.mark.parametrize("state", ["53100", "53200"])
async def test_a_full_disk_is_refused_and_recording_returns_by_itself(
    store, new_process, reading, state
):
    log = await new_process()
    async with store.on_every_insert(f"RAISE EXCEPTION 'no space' USING ERRCODE = '{state}'"):
        outcomes = await asyncio.gather(*(timed(log.record([reading()])) for _ in range(5)))

    assert {type(outcome) for outcome, _ in outcomes} == {StoreFull}
    assert max(took for _, took in outcomes) < TWO_SECONDS
    assert await log.record([reading()])
    assert log.connects == 1


async def test_a_full_queue_is_refused_at_once_and_empties_by_itself(
    store, new_process, reading, until_it_records
):
    log = await new_process(queue_records=20)
    async with store.locked():
        first = [asyncio.create_task(log.record([reading()]))]
        await asyncio.sleep(0.05)
        first += [asyncio.create_task(log.record([reading()])) for _ in range(20)]
        await asyncio.sleep(0.05)
        outcome, took = await timed(log.record([reading()]))

    assert isinstance(outcome, StoreFull)
    assert took < 0.2
    assert await asyncio.gather(*first)
    assert await until_it_records(log, [reading()])


async def test_whoever_gives_up_waiting_leaves_the_others_alone(store, new_process, reading):
    log = await new_process()
    async with store.locked():
        under_way = asyncio.create_task(log.record([reading()]))
        await asyncio.sleep(0.05)
        gone = asyncio.create_task(log.record([reading()]))
        staying = asyncio.create_task(log.record([reading()]))
        await asyncio.sleep(0.05)
        gone.cancel()
        under_way.cancel()

    [receipt] = await staying
    stored = await store.leaves()
    assert receipt.record_id in stored
    # The one under way was on its way to the store; the one that only waited never went.
    assert len(stored) == 2


async def test_closing_gives_everybody_an_answer(store, new_process, reading):
    log = await new_process()
    async with store.locked():
        waiting = [asyncio.create_task(timed(log.record([reading()]))) for _ in range(5)]
        await asyncio.sleep(0.1)
        await log.close()
        outcomes = await asyncio.gather(*waiting)

    assert {type(outcome) for outcome, _ in outcomes} == {StoreUnavailable}


async def test_keys_that_cannot_be_reached_refuse_the_record_in_time(
    store, reading, keys_database, key_file, new_chain
):
    from privacy_gateway.domain.vault.data_keys import DataKeys, KeysUnavailable

    keys = DataKeys(keys_database.runtime, key_file)
    await keys.start()
    log = AuditLog(
        store.urls.runtime,
        Vault(keys, index_key=b"i" * 32, request_key=b"r" * 32),
        new_chain(),
    )
    await log.start()
    owner = await asyncpg.connect(for_driver(keys_database.owner))
    async with owner.transaction():
        await owner.execute("LOCK TABLE data_keys IN ACCESS EXCLUSIVE MODE")
        outcome, took = await timed(log.record([reading()]))

    assert isinstance(outcome, KeysUnavailable)
    assert took < 1.2
    assert await store.leaves() == {}
    await owner.close()
    await log.close()
    await keys.close()


async def test_the_record_of_somebody_who_was_erased_points_at_nobody(
    store, new_process, reading, destroy, customer
):
    log = await new_process()
    await log.record([reading()])
    place = Place(customer, f"account/{customer}", "audit_tag")
    await destroy(place, now=datetime(2026, 11, 22, tzinfo=UTC))

    [receipt] = await log.record([reading(work=f"order/{ids.mint('ord')}")])

    said = leaf.read((await store.leaves())[receipt.record_id])
    assert (said["subject"], said["resource"], said["work"]) == (
        "erased",
        "cus/erased",
        "order/erased",
    )
    assert said["actor"].startswith("t1:")


async def test_what_is_no_name_is_not_recorded_and_harms_no_other(new_process, reading):
    log = await new_process()

    wrong, right = await asyncio.gather(
        log.record([reading(role="Rosalind Franklin")]),
        log.record([reading()]),
        return_exceptions=True,
    )

    assert isinstance(wrong, leaf.NotRecordable)
    assert len(right) == 1
