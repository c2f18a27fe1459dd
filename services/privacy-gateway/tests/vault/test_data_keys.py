"""One key for each subject, scope and class, across processes, and none after it was destroyed."""

import asyncio
from datetime import UTC, datetime

import asyncpg
import pytest
from structlog.testing import capture_logs

from privacy_gateway.clients.line import NotDurable, for_driver
from privacy_gateway.domain.vault import data_keys, key_table
from privacy_gateway.domain.vault.data_keys import (
    DataKeys,
    KeyDestroyed,
    KeysUnavailable,
)
from privacy_gateway.domain.vault.kek import KeyFile
from privacy_gateway.domain.vault.key_cache import Place
from privacy_gateway.models import KeyBase
from privity_contracts import ids
from privity_database import differences

from .conftest import Clock

NOW = datetime(2026, 11, 22, tzinfo=UTC)


async def test_the_table_is_what_the_model_says(keys_database):
    assert await differences(keys_database.owner, KeyBase.metadata) == []


async def test_a_place_keeps_its_key(new_process, place):
    first, second = await new_process(), await new_process()

    [made] = await first.for_sealing([place])
    [found] = await second.for_sealing([place])

    assert found.key_id == made.key_id


async def test_every_place_has_a_key_of_its_own(keys, customer):
    order = ids.mint("ord")
    places = [
        Place(customer, f"account/{customer}", "identity"),
        Place(customer, f"account/{customer}", "delivery"),
        Place(customer, f"order/{order}", "delivery"),
        Place(ids.mint("cus"), f"order/{order}", "delivery"),
    ]

    held = await keys.for_sealing(places)

    assert [key.place for key in held] == places
    assert len({key.key_id for key in held}) == len(places)
    ciphertexts = {key.cipher.encrypt(bytes(12), b"same", None) for key in held}
    assert len(ciphertexts) == len(places)


async def test_processes_that_race_for_a_place_get_one_key(new_process, as_owner, place):
    processes = [await new_process() for _ in range(6)]
    places = [place, place._replace(retention_class="delivery"), place._replace(scope="order/x")]
    orders = [places, places[::-1], places[1:] + places[:1]]

    held = await asyncio.gather(
        *(keys.for_sealing(orders[turn % 3]) for keys in processes for turn in range(5))
    )

    assert len({key.key_id for each in held for key in each}) == len(places)
    rows = await as_owner.fetchval(
        "SELECT count(*) FROM data_keys WHERE subject = $1", place.subject
    )
    assert rows == len(places)


async def test_many_keys_are_loaded_in_one_query(new_process, as_owner, customer):
    places = [Place(customer, f"order/{ids.mint('ord')}", "delivery") for _ in range(50)]
    made = await (await new_process()).for_sealing(places)
    other = await new_process()
    statements = []
    fetch = other._line.fetch
    other._line.fetch = lambda *arguments: statements.append(arguments) or fetch(*arguments)

    await asyncio.gather(*(other.load([key.key_id for key in made]) for _ in range(20)))

    assert [other.loaded(key.key_id).place for key in made] == places
    # The first caller's, and one for the nineteen that came while it was under way.
    assert len(statements) <= 2


async def test_a_key_is_forgotten_after_its_short_life(new_process, place):
    clock = Clock()
    keys = await new_process(clock=clock, cache_seconds=3.0)
    [made] = await keys.for_sealing([place])

    clock.now += 2.9
    assert keys.loaded(made.key_id).key_id == made.key_id
    clock.now += 0.2
    with pytest.raises(KeysUnavailable):
        keys.loaded(made.key_id)


async def test_a_key_does_not_expire_between_being_asked_for_and_being_used(new_process, place):
    clock = Clock()
    keys = await new_process(clock=clock, cache_seconds=3.0)
    [made] = await keys.for_sealing([place])
    clock.now += 2.9

    await keys.load([made.key_id])
    clock.now += 0.5

    assert keys.loaded(made.key_id).key_id == made.key_id


async def test_the_cache_stays_small(new_process, customer):
    keys = await new_process(cache_size=10)
    places = [Place(customer, f"order/{n}", "delivery") for n in range(40)]

    held = await keys.for_sealing(places)

    assert [key.place for key in held] == places
    assert len(keys._cache) == 10
    assert len(keys._cache._by_place) == 10
    loaded = [key.key_id for key in held if keys._cache.is_fresh(key.key_id)]
    assert len(loaded) == 10
    for key in held:
        if key.key_id in loaded:
            assert keys.loaded(key.key_id) == key
        else:
            with pytest.raises(KeysUnavailable):
                keys.loaded(key.key_id)


async def test_what_was_used_last_stays_longest(new_process, customer):
    keys = await new_process(cache_size=3)
    a, b, c, d = (Place(customer, f"order/{n}", "delivery") for n in "abcd")
    held = await keys.for_sealing([a, b, c])
    await keys.for_sealing([a])

    await keys.for_sealing([d])

    by_place = {key.place: key.key_id for key in held}
    assert keys.loaded(by_place[a]).place == a
    assert len(keys._cache) == 3


async def test_a_row_copied_over_another_opens_nothing_and_blocks_nobody(
    new_process, as_owner, place
):
    other = place._replace(retention_class="books")
    [mine, theirs] = await (await new_process()).for_sealing([place, other])
    await as_owner.execute(
        "UPDATE data_keys SET wrapped = (SELECT wrapped FROM data_keys WHERE key_id = $1)"
        " WHERE key_id = $2",
        mine.key_id,
        theirs.key_id,
    )
    keys = await new_process()

    await keys.load([mine.key_id, theirs.key_id])

    assert keys.loaded(mine.key_id).place == place
    with pytest.raises(KeyDestroyed):
        keys.loaded(theirs.key_id)


async def test_another_key_file_opens_nothing_and_calls_nothing_deleted(
    keys_database, tmp_path, keys, place
):
    [made] = await keys.for_sealing([place])
    stranger = DataKeys(
        keys_database.runtime, KeyFile.read_or_create(tmp_path / "keks.json"), deadline_seconds=10
    )
    await stranger.start()

    await stranger.load([made.key_id])

    with pytest.raises(KeysUnavailable):
        stranger.loaded(made.key_id)
    with pytest.raises(KeysUnavailable):
        await stranger.for_sealing([place])
    with pytest.raises(KeysUnavailable):
        await stranger.at([place], minting=False)
    await stranger.close()


@pytest.mark.parametrize("part", ["cus|x", "", "account/ö", "a b", "x" * 129])
async def test_only_ids_have_keys(keys, part):
    for place in (Place(part, "account/x", "books"), Place("x", part, "books")):
        with pytest.raises(ValueError, match="ids"):
            await keys.for_sealing([place])


async def test_keys_that_cannot_be_reached_are_refused_in_time_and_come_back(
    new_process, as_owner, place
):
    keys = await new_process(deadline_seconds=0.3)
    loop = asyncio.get_running_loop()
    async with as_owner.transaction():
        await as_owner.execute("LOCK TABLE data_keys IN ACCESS EXCLUSIVE MODE")
        begun = loop.time()
        outcomes = await asyncio.gather(
            *(keys.for_sealing([place]) for _ in range(5)), return_exceptions=True
        )
        took = loop.time() - begun

    assert {type(each) for each in outcomes} == {KeysUnavailable}
    assert took < 1
    assert (await keys.for_sealing([place]))[0].place == place


async def test_a_lost_connection_is_made_again(new_process, place):
    keys = await new_process()
    keys._line._connection.terminate()

    [made] = await keys.for_sealing([place])

    assert made.place == place


async def test_notices_are_heard_again_after_a_failure_that_nobody_thought_of(
    new_process, as_owner, monkeypatch
):
    monkeypatch.setattr(data_keys, "RENEW_SECONDS", 0.02)
    await new_process()
    await as_owner.execute("ALTER TABLE key_notices RENAME TO elsewhere")
    with capture_logs() as logs:
        try:
            async with asyncio.timeout(10):
                while len(logs) < 3:  # noqa: ASYNC110  # a log tells nobody
                    await asyncio.sleep(0.01)
        finally:
            await as_owner.execute("ALTER TABLE elsewhere RENAME TO key_notices")

    told = {(line["event"], line["reason"]) for line in logs}
    assert told == {("key_notices_lost", "UndefinedTableError")}


async def test_a_database_that_may_lose_a_key_stops_the_start(keys_database, key_file, as_owner):
    name = keys_database.name
    admin = await asyncpg.connect(for_driver(keys_database.admin))
    await admin.execute(f"ALTER ROLE {name} SET synchronous_commit = off")
    try:
        with pytest.raises(NotDurable):
            await DataKeys(keys_database.runtime, key_file).start()
    finally:
        await admin.execute(f"ALTER ROLE {name} RESET synchronous_commit")
        await admin.close()


async def test_a_database_that_is_not_there_is_said_to_be_so(keys_database, key_file):
    url = keys_database.runtime.replace(keys_database.name, "privity_nowhere")

    with pytest.raises(KeysUnavailable):
        await DataKeys(url, key_file).start()


async def test_a_key_that_has_sealed_enough_is_followed_by_another(
    new_process, as_owner, place, monkeypatch
):
    monkeypatch.setattr(key_table, "MOST_SEALS", 5)
    keys, other = await new_process(), await new_process()
    [first] = await keys.for_sealing([place])
    keys.count_seals(first, 4)
    assert await keys.for_sealing([place]) == [first]
    keys.count_seals(first, 1)

    [second] = await keys.for_sealing([place])
    [elsewhere] = await other.for_sealing([place])

    assert second.key_id != first.key_id
    assert elsewhere.key_id == second.key_id
    await other.load([first.key_id, second.key_id])
    assert other.loaded(first.key_id).place == other.loaded(second.key_id).place == place
    assert not other.loaded(first.key_id).is_current


async def test_seals_are_counted_over_all_processes(new_process, as_owner, place):
    processes = [await new_process() for _ in range(3)]
    for process in processes:
        [key] = await process.for_sealing([place])
        process.count_seals(key, 7)
    for process in processes:
        await process._tell()

    told = await as_owner.fetchval("SELECT seals FROM data_keys WHERE key_id = $1", key.key_id)

    assert told == 21


async def test_an_old_key_seals_no_more_and_still_opens(new_process, as_owner, place):
    [first] = await (await new_process()).for_sealing([place])
    tag = place._replace(retention_class="audit_tag")
    [tagging] = await (await new_process()).for_sealing([tag])
    await as_owner.execute(
        "UPDATE data_keys SET created_at = now() - interval '366 days' WHERE subject = $1",
        place.subject,
    )
    keys = await new_process()

    [second] = await keys.for_sealing([place])

    assert second.key_id != first.key_id
    await keys.load([first.key_id])
    assert keys.loaded(first.key_id).place == place
    # Another key would make other pseudonyms.
    assert (await keys.for_sealing([tag]))[0].key_id == tagging.key_id


async def test_destroying_reaches_the_retired_keys_of_a_place_too(
    new_process, as_owner, destroy, place, monkeypatch
):
    monkeypatch.setattr(key_table, "MOST_SEALS", 1)
    keys = await new_process()
    made = []
    for _ in range(3):
        [key] = await keys.for_sealing([place])
        keys.count_seals(key, 1)
        made.append(key.key_id)
    assert len(set(made)) == 3

    await destroy(place, now=NOW)

    other = await new_process()
    for process in (keys, other):
        await process.load(made)
        for key_id in made:
            with pytest.raises(KeyDestroyed):
                process.loaded(key_id)
        with pytest.raises(KeyDestroyed):
            await process.for_sealing([place])
    kept = "SELECT count(*) FROM data_keys WHERE subject = $1 AND wrapped IS NOT NULL"
    assert await as_owner.fetchval(kept, place.subject) == 0
