"""Keys of what never came to exist go; of whatever exists, none does."""

from datetime import timedelta

import pytest

from privacy_gateway.clients.holdings import HoldingsUnknown
from privacy_gateway.domain.retention import holds, orphans
from privacy_gateway.domain.retention.sweep import sweep
from privacy_gateway.domain.vault.data_keys import KeyDestroyed
from privity_contracts import ids
from privity_jobs import RetryLater

from .conftest import CLASSES, all_of


@pytest.fixture
async def alone(means):
    """Only what is made from here on counts: others' keys are no orphans of this town."""
    # Sweeps under other tests' clocks may have looked far into the future.
    await all_of(means, "UPDATE sweeps SET orphans_until = NULL RETURNING 1")
    await all_of(
        means,
        "INSERT INTO sweeps (id, began_at, gone, held, failed, orphans_until)"
        " VALUES (:id, now(), 0, 0, 0, now()) RETURNING 1",
        id=ids.mint("swp"),
    )


async def destroyed(means, subject):
    entries = await means.inventory.of(subject)
    return {entry.place.scope for entry in entries if entry.destroyed_at is not None}


@pytest.fixture
def later(means):
    """Everything that was made by now is old enough to be looked at."""

    async def look():
        [(now,)] = await all_of(means, "SELECT clock_timestamp() + interval '1 second'")
        return await orphans.destroy(means, until=now)

    return look


async def test_what_no_service_holds_goes_and_nothing_else(
    means, alone, a_person, vault, later, opens
):
    person, nobody = await a_person(), ids.mint("cus")
    refused, made_up = f"order/{ids.mint('ord')}", f"case/{ids.mint('cas')}"
    account = f"account/{nobody}"
    for subject, scope in ((person.id, refused), (person.id, made_up), (nobody, account)):
        [token] = await vault.seal(subject, scope, [("user.name", "Ada")], classes=CLASSES)
    await vault.tag(nobody, "2026-11", nobody)

    assert await later() == 3
    assert await destroyed(means, person.id) == {refused, made_up}
    assert await opens(person) == len(person.sealed)
    assert await destroyed(means, nobody) == {account}
    await vault.prepare([token])
    with pytest.raises(KeyDestroyed):
        vault.subject_of(token)
    # Nor is it minted again by somebody who repeats the request.
    with pytest.raises(KeyDestroyed):
        await vault.seal(person.id, refused, [("user.name", "Ada")], classes=CLASSES)


async def test_what_is_young_waits(means, alone, a_person, vault):
    person = await a_person()
    scope = f"order/{ids.mint('ord')}"
    await vault.seal(person.id, scope, [("user.name", "Ada")], classes=CLASSES)
    [(now,)] = await all_of(means, "SELECT clock_timestamp()")

    assert await orphans.destroy(means, until=now - timedelta(days=1)) == 0
    assert await destroyed(means, person.id) == set()


async def test_under_a_legal_hold_nothing_goes(means, alone, a_person, vault, later, clock):
    person = await a_person()
    scope = f"order/{ids.mint('ord')}"
    await vault.seal(person.id, scope, [("user.name", "Ada")], classes=CLASSES)
    async with means.database.transaction() as tx:
        await holds.place(
            tx, person.id, None, reason="audit", by=ids.mint("stf"), now=means.clock()
        )

    assert await later() == 0


async def test_a_service_that_does_not_answer_lets_nothing_go_and_it_is_looked_again(
    means, alone, a_person, vault, clock, town, monkeypatch
):
    person = await a_person()
    scope = f"order/{ids.mint('ord')}"
    await vault.seal(person.id, scope, [("user.name", "Ada")], classes=CLASSES)
    [(real,)] = await all_of(means, "SELECT clock_timestamp()")
    clock.now = real + orphans.AFTER + timedelta(seconds=1)

    async def silent(subject_id):
        raise HoldingsUnknown("orders answered 500")

    with monkeypatch.context() as away:
        away.setattr(town, "of", silent)
        with pytest.raises(RetryLater):
            await sweep(means)
    assert await destroyed(means, person.id) == set()

    report = await sweep(means)

    assert await destroyed(means, person.id) == {scope}
    found = await all_of(means, "SELECT orphans FROM sweeps WHERE id = :id", id=report)
    assert found == [(1,)]
