"""What happens between the decision and the end of the first key: holds, and orders of the last
moment."""

from dataclasses import replace

import pytest

from privacy_gateway.domain.deletion.run import run
from privacy_gateway.domain.retention import holds
from privacy_gateway.domain.retention.sweep import sweep
from privity_contracts import ids
from privity_contracts.holdings import Holding
from privity_jobs import RetryLater

from .conftest import CLASSES
from .test_retention import delivered
from .test_run import receipt, state, wish


async def hold(means, person, scope=None):
    async with means.database.transaction() as tx:
        await holds.place(tx, person.id, scope, reason="litigation", by="stf_x", now=means.clock())


@pytest.fixture
def order(vault, town):
    """Somebody orders once more: `order(person, in_progress=...)`."""

    async def place(person, *, in_progress):
        scope = f"order/{ids.mint('ord')}"
        sealed = await vault.seal(person.id, scope, [("user.name", "Ada")], classes=CLASSES)
        person.sealed += sealed
        fields = {"user.name": ["recipient"], "user.payment": ["payments.last4"]}
        town.held[person.id, scope] = Holding(
            scope=scope, fields=fields, sealed=sealed, in_progress=in_progress, country="DE"
        )
        return scope

    return place


async def test_a_hold_that_is_placed_while_the_letter_waits_keeps_what_it_covers(
    means, a_person, mail_sink, opens
):
    person = await a_person()
    deletion = await wish(means, person)
    mail_sink.data = "451 later"
    with pytest.raises(RetryLater):
        await run(deletion, by=means)

    await hold(means, person, person.order)
    mail_sink.data = "250 OK"
    await run(deletion, by=means)

    assert await opens(person) == 2  # the name and the street of the order
    kept = {(part["scope"], part["why"]) for part in (await receipt(means, deletion))["kept"]}
    assert (person.order, "legal hold: litigation") in kept


async def test_a_hold_that_comes_too_late_is_refused_and_not_silently_broken(
    means, a_person, opens
):
    person = await a_person()
    refused = []

    async def destroy(place, now):
        try:
            await hold(means, person)
        except holds.TooLateToHold:
            refused.append(place)
        await means.destroy(place, now)

    deletion = await wish(means, person)
    await run(deletion, by=replace(means, destroy=destroy))

    assert refused
    assert await opens(person) == 0
    async with means.database.transaction() as tx:
        assert await holds.standing(tx, [person.id]) == []


async def test_an_order_of_the_last_moment_is_left_until_it_has_ended(
    means, a_person, order, opens
):
    """Its request was under way while its customer was signed out."""
    person, placed = await a_person(), []
    real = means.telling.begun

    async def begun(*about, **named):
        placed.append(await order(person, in_progress="order_placed"))
        return await real(*about, **named)

    deletion = await wish(means, person)
    telling = type("Telling", (), {"begun": staticmethod(begun)})()
    await run(deletion, by=replace(means, telling=telling))

    assert await opens(person) == 1
    kept = {part["scope"] for part in (await receipt(means, deletion))["kept"]}
    assert kept >= set(placed)


async def test_what_came_in_even_later_goes_with_the_rest_and_its_rows_too(
    means, a_person, order, opens, town
):
    person, placed = await a_person(), []

    class Journal:
        async def append(self, places, *, now):
            if not placed:
                placed.append(await order(person, in_progress="order_placed"))
            await means.journal.append(places, now=now)

    deletion = await wish(means, person)
    await run(deletion, by=replace(means, journal=Journal()))

    assert await opens(person) == 0
    assert (person.id, placed[0]) not in town.held
    assert (await state(means, deletion))[0] == "done"
    assert (await receipt(means, deletion))["searched"]["opened"] == 0


async def test_a_hold_that_is_placed_during_a_sweep_is_kept(means, a_person, clock, opens):
    first, second = await a_person(), await a_person()
    for person in (first, second):
        await delivered(means, person, country="DE")
        clock.ahead(seconds=1)
    clock.ahead(days=91)
    ended = []

    async def destroy(place, now):
        if not ended:
            later = second if place.subject == first.id else first
            ended.append(later)
            await hold(means, later)
        await means.destroy(place, now)

    await sweep(replace(means, destroy=destroy))

    [kept] = ended
    assert await opens(kept) == 6
    assert await opens(first if kept is second else second) == 4


@pytest.mark.parametrize("whole", [False, True])
async def test_what_a_hold_kept_from_a_deletion_goes_when_it_is_released(
    means, a_person, clock, opens, whole
):
    """At once, and not when it would have gone without the deletion; the log's pseudonyms last."""
    person = await a_person()
    await delivered(means, person, country="DE")
    scopes = [None] if whole else [person.order, person.case]
    for scope in scopes:
        await hold(means, person, scope)
    await run(await wish(means, person), by=means)
    kept = 6 if whole else 3
    clock.ahead(days=2)
    await sweep(means)
    assert await opens(person) == kept

    async with means.database.transaction() as tx:
        for each in await holds.standing(tx, [person.id]):
            await holds.release(tx, each.id, by="stf_x", now=clock())
    for _ in range(2):
        await sweep(means)

    assert await opens(person) == 0
    left = [e.place for e in await means.inventory.of(person.id) if e.destroyed_at is None]
    assert left == []


async def test_an_order_under_way_is_not_ended_by_the_release_of_a_hold(
    means, a_person, clock, opens
):
    person = await a_person(in_progress="order_in_transit")
    await hold(means, person, person.order)
    await run(await wish(means, person, orders_in_progress="leave"), by=means)

    async with means.database.transaction() as tx:
        [placed] = await holds.standing(tx, [person.id])
        await holds.release(tx, placed.id, by="stf_x", now=clock())
    await sweep(means)
    assert await opens(person) == 2

    await delivered(means, person, country="DE")
    await sweep(means)
    assert await opens(person) == 0
