"""After a restore: what was deleted since the backup is deleted again before anything is served."""

from dataclasses import replace

import asyncpg
import pytest

from privacy_gateway.clients.line import for_driver
from privacy_gateway.domain.deletion.journal import Journal, JournalUnavailable
from privacy_gateway.domain.deletion.replay import replay
from privacy_gateway.domain.deletion.run import run
from privacy_gateway.domain.vault.data_keys import KeyDestroyed
from privacy_gateway.domain.vault.key_cache import Place
from privity_database import Database

from .conftest import all_of
from .test_run import wish


@pytest.fixture
async def keys_as_owner(keys_database):
    connection = await asyncpg.connect(for_driver(keys_database.owner))
    yield connection
    await connection.close()


@pytest.fixture
async def keys_store(keys_database):
    database = Database(keys_database.runtime)
    yield database
    await database.dispose()


@pytest.fixture
async def restored(means, a_person, town, keys_as_owner, keys_store):
    """Somebody whose deletion is undone by a backup: keys, rows and the mark are as before it."""
    await replay(means, keys_store, now=means.clock())
    person = await a_person()
    keys = await keys_as_owner.fetch("SELECT * FROM data_keys WHERE subject = $1", person.id)
    held = {place: value for place, value in town.held.items() if place[0] == person.id}
    mark = await keys_as_owner.fetchval("SELECT through FROM journal_replay")
    await run(await wish(means, person), by=means)

    await keys_as_owner.execute("DELETE FROM data_keys WHERE subject = $1", person.id)
    for key in keys:
        columns = ", ".join(key.keys())
        values = ", ".join(f"${number}" for number in range(1, len(key) + 1))
        await keys_as_owner.execute(
            f"INSERT INTO data_keys ({columns}) VALUES ({values})",  # noqa: S608
            *key.values(),
        )
    town.held |= held
    await keys_as_owner.execute("UPDATE journal_replay SET through = $1", mark)
    return person


async def test_a_backup_brings_nobody_back(means, restored, opens, town, vault, keys_store):
    stranger_ends = len(town.dropped)
    assert await opens(restored) == 6  # the backup has it all

    returned = await replay(means, keys_store, now=means.clock())

    assert returned == 1
    assert await opens(restored) == 0
    await vault.prepare(restored.sealed)
    for token in restored.sealed:
        with pytest.raises(KeyDestroyed):
            vault.subject_of(token)
    left = {h.scope: set(h.fields) for h in await town.of(restored.id)}
    assert left == {
        restored.account: {"user.privacy_preferences"},
        restored.order: {"user.behavior.purchase_history"},
    }
    assert len(town.dropped) > stranger_ends
    assert await replay(means, keys_store, now=means.clock()) == 0


async def test_who_was_not_deleted_stays(means, restored, a_person, opens, keys_store):
    other = await a_person()

    await replay(means, keys_store, now=means.clock())

    assert await opens(other) == 6


async def test_a_class_that_no_policy_names_any_more_stays_deleted(
    means, restored, vault, keys_store
):
    place = Place(restored.id, restored.account, "of_former_times")
    await vault.keys.for_sealing([place])
    await means.journal.append([place], now=means.clock())

    await replay(means, keys_store, now=means.clock())

    gone = {entry.place: entry.destroyed_at for entry in await means.inventory.of(restored.id)}
    assert gone[place] is not None


async def test_interrupted_it_begins_again(means, restored, opens, town, keys_store):
    real = town.drop

    async def away(subject, scope, classes):
        raise JournalUnavailable("a service is away")

    town.drop = away
    with pytest.raises(JournalUnavailable):
        await replay(means, keys_store, now=means.clock())
    town.drop = real

    await replay(means, keys_store, now=means.clock())

    assert await opens(restored) == 0
    assert (restored.id, restored.case) not in town.held


async def test_a_journal_that_knows_less_than_it_did_stops_the_start(
    means, restored, make_database, keys_store
):
    await replay(means, keys_store, now=means.clock())

    class Shorter:
        async def latest(self):
            return 0

        key_check = means.journal.key_check

    with pytest.raises(JournalUnavailable, match="knows less"):
        await replay(replace(means, journal=Shorter()), keys_store, now=means.clock())


async def test_a_key_that_is_not_the_journals_stops_the_start(
    means, restored, journal_database, keys_store, opens
):
    """A secret file that was lost and made anew: no entry is recognised under it."""
    other = Journal(journal_database.runtime, b"o" * 32)
    for _ in range(2):
        with pytest.raises(JournalUnavailable, match="another key"):
            await replay(replace(means, journal=other), keys_store, now=means.clock())
    other.close()

    assert await opens(restored) == 6  # nothing was decided by it
    await replay(means, keys_store, now=means.clock())
    assert await opens(restored) == 0


async def test_the_journal_names_nobody(means, restored, journal_database):
    connection = await asyncpg.connect(for_driver(journal_database.owner))
    try:
        rows = await connection.fetch("SELECT tag FROM journal")
    finally:
        await connection.close()

    assert rows
    assert all(len(row["tag"]) == 32 for row in rows)
    other = Journal(journal_database.runtime, b"k" * 32)
    tags = {bytes(row["tag"]) for row in rows}
    places = [entry.place for entry in await means.inventory.of(restored.id)]
    assert means.journal.deleted(places, tags)
    assert not other.deleted(places, tags)
    other.close()
    assert await all_of(means, "SELECT through FROM journal_replay") != [(0,)]
