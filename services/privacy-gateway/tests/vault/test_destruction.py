"""When a destruction returns, no process opens what it destroyed; not one that is stuck either."""

import asyncio
import time
from datetime import UTC, datetime

import pytest

from privacy_gateway.clients.line import Unreachable
from privacy_gateway.domain.vault import destruction as destroying
from privacy_gateway.domain.vault import lease
from privacy_gateway.domain.vault.data_keys import KeyDestroyed, KeysUnavailable
from privacy_gateway.domain.vault.destruction import Destroyed, Destruction
from privacy_gateway.domain.vault.key_cache import Place
from privity_contracts import ids

from .conftest import Clock

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def short_leases(monkeypatch):
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.4)
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.1)
    monkeypatch.setattr(destroying, "LONGEST_WAIT", 0.5)


async def opened_by(process, key_id):
    """As a read does: loaded, then used."""
    try:
        await process.load([key_id])
        process.loaded(key_id)
    except (KeyDestroyed, KeysUnavailable):
        return False
    return True


def is_held(process, key_id):
    """Without asking the table: by what is in memory alone."""
    try:
        process.loaded(key_id)
    except (KeyDestroyed, KeysUnavailable):
        return False
    return True


async def test_a_destroyed_key_is_gone_everywhere_and_its_place_gets_no_other(
    new_process, as_owner, destroy, place
):
    processes = [await new_process() for _ in range(3)]
    [made] = await processes[0].for_sealing([place])
    for process in processes:
        assert await opened_by(process, made.key_id)

    assert await destroy(place, now=NOW) == [Destroyed(place, NOW)]

    for process in processes:
        assert not is_held(process, made.key_id)
        await process.load([made.key_id])
        with pytest.raises(KeyDestroyed):
            process.loaded(made.key_id)
        with pytest.raises(KeyDestroyed):
            await process.for_sealing([place])
    row = await as_owner.fetchrow("SELECT * FROM data_keys WHERE subject = $1", place.subject)
    assert (row["wrapped"], row["kek_id"], row["destroyed_at"]) == (None, None, NOW)
    # Sealed values that are left somewhere name a key that leads to nobody.
    assert row["key_id"] != made.key_id


async def test_destroying_twice_is_the_same_as_once(keys, destroy, place):
    await keys.for_sealing([place])
    later = NOW.replace(year=2027)

    assert await destroy(place, now=NOW) == await destroy(place, now=later)
    assert await destroy(place._replace(scope="order/other"), now=NOW) == []


async def test_a_person_a_scope_or_a_class_is_destroyed_and_nothing_beside_it(
    keys, destruction, customer
):
    account, order = f"account/{customer}", f"order/{ids.mint('ord')}"
    places = [Place(customer, s, c) for s in (account, order) for c in ("identity", "delivery")]
    stranger = Place(ids.mint("cus"), order, "identity")
    await keys.for_sealing([*places, stranger, Place(customer, account, "audit_tag")])

    async def gone(**which):
        done = await destruction.destroy(**{"subject": customer, "now": NOW} | which)
        return [each.place for each in done]

    assert await gone(scope=order, retention_class="identity") == [places[2]]
    assert await gone(scope=order) == sorted(places[2:])
    assert await gone(retention_class="identity") == sorted([places[0], places[2]])
    assert await gone(keeping=["audit_tag"]) == sorted(places)
    assert (await keys.for_sealing([stranger]))[0].place == stranger
    assert len(await gone()) == 5


async def test_the_other_places_of_a_batch_survive_one_that_is_destroyed(keys, destroy, place):
    kept = place._replace(retention_class="books")
    await keys.for_sealing([place, kept])
    await destroy(place, now=NOW)

    found = await keys.at([place, kept, place._replace(scope="order/none")], minting=False)

    assert found[place] is None
    assert found[kept].place == kept
    assert set(found) == {place, kept}


async def test_who_is_stuck_is_waited_for_until_it_can_open_nothing(
    new_process, destroy, place, short_leases
):
    process = await new_process()
    [made] = await process.for_sealing([place])
    await process._turn.acquire()  # hears of nothing
    assert is_held(process, made.key_id)

    began = time.monotonic()
    await destroy(place, now=NOW)

    assert not is_held(process, made.key_id)
    assert time.monotonic() - began >= 0.3
    process._turn.release()
    assert not await opened_by(process, made.key_id)


async def test_who_cannot_reach_the_table_stops_opening(new_process, place, short_leases):
    process = await new_process()
    [made] = await process.for_sealing([place])

    async def unreachable(*_):
        raise Unreachable

    connect, process._line.connect = process._line.connect, unreachable
    process._line.cut()
    assert is_held(process, made.key_id)
    await asyncio.sleep(0.45)

    assert not is_held(process, made.key_id)
    process._line.connect = connect
    assert await opened_by(process, made.key_id)


async def test_a_process_that_slept_too_long_begins_with_nothing(new_process, destroy, place):
    clock = Clock()
    process = await new_process(clock=clock)
    other = place._replace(retention_class="books")
    [made, kept] = await process.for_sealing([place, other])
    clock.now += 20.0  # within the life of a cached key, beyond a lease

    assert not is_held(process, made.key_id)
    await destroy(place, now=NOW)

    assert not await opened_by(process, made.key_id)
    assert await opened_by(process, kept.key_id)


async def test_a_notice_that_was_lost_is_found_by_looking(
    new_process, destroy, place, short_leases
):
    process = await new_process()
    [made] = await process.for_sealing([place])
    process._line._connection._listeners.clear()

    await destroy(place, now=NOW)

    assert not is_held(process, made.key_id)


async def test_a_key_that_is_minted_meanwhile_is_destroyed_or_refused(
    new_process, destruction, as_owner, customer
):
    """Never one that the destruction did not see, at a place that it destroyed."""
    process = await new_process()
    places = [Place(customer, f"order/{n}", "delivery") for n in range(40)]

    async def keep_sealing(place):
        for _ in range(20):
            try:
                await process.for_sealing([place])
            except KeyDestroyed:
                return

    await process.for_sealing(places[:5])
    sealing = [asyncio.create_task(keep_sealing(place)) for place in places]
    await asyncio.sleep(0.01)
    gone = await destruction.destroy(subject=customer, now=NOW)
    await asyncio.gather(*sealing)

    alive = await as_owner.fetch(
        "SELECT scope FROM data_keys WHERE subject = $1 AND destroyed_at IS NULL", customer
    )
    assert {row["scope"] for row in alive}.isdisjoint(each.place.scope for each in gone)


async def test_what_is_not_known_to_be_done_is_not_said_to_be(keys_database, as_owner, keys, place):
    await keys.for_sealing([place])
    hurried = Destruction(keys_database.runtime, deadline_seconds=0.3)
    async with as_owner.transaction():
        await as_owner.execute("LOCK TABLE data_keys IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(KeysUnavailable):
            await hurried.destroy(**place._asdict(), now=NOW)

    assert await hurried.destroy(**place._asdict(), now=NOW) == [Destroyed(place, NOW)]
    hurried.close()


async def test_who_asks_again_after_a_crash_waits_for_the_first_ones_notice(
    new_process, keys_database, as_owner, place
):
    process = await new_process()
    [made] = await process.for_sealing([place])
    await process._turn.acquire()  # has not heard yet
    crashed, retried = Destruction(keys_database.runtime), Destruction(keys_database.runtime)
    first = asyncio.create_task(crashed.destroy(**place._asdict(), now=NOW))
    async with asyncio.timeout(5):
        while not await as_owner.fetchval(  # noqa: ASYNC110  # another process tells nobody
            "SELECT count(*) FROM data_keys WHERE subject = $1 AND destroyed_at IS NOT NULL",
            place.subject,
        ):
            await asyncio.sleep(0.01)
    first.cancel()

    second = asyncio.create_task(retried.destroy(**place._asdict(), now=NOW))
    await asyncio.sleep(0.1)
    assert not second.done()
    process._turn.release()

    assert await second == [Destroyed(place, NOW)]
    assert not is_held(process, made.key_id)
    retried.close()
