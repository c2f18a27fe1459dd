"""The run from the wish to the receipt; killed anywhere, it comes to the same end."""

import asyncio
import json
import os
from dataclasses import replace

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from privacy_gateway.domain.deletion import asking
from privacy_gateway.domain.deletion.run import StillOpens, run
from privacy_gateway.domain.retention import holds
from privity_jobs import RetryLater

from .conftest import all_of

DEATHS = int(os.environ.get("PRIVITY_DEATHS", "0"))  # `make torture` dies everywhere


async def wish(means, person, **how):
    said = {"by": None, "orders_in_progress": "refuse"} | how
    async with means.database.transaction() as tx:
        asked = await asking.ask(tx, person.id, file=means.policy.file, now=means.clock(), **said)
    return asked.deletion.id


async def state(means, deletion_id):
    found = await all_of(
        means, "SELECT state, step, subject_id FROM deletions WHERE id = :id", id=deletion_id
    )
    return found[0]


async def receipt(means, deletion_id):
    [[text]] = await all_of(means, "SELECT receipt FROM deletions WHERE id = :id", id=deletion_id)
    key = ECKey.import_key(means.receipts.jwks()["keys"][0])
    return json.loads(jws.deserialize_compact(text, key, algorithms=["ES256"]).payload)


async def test_everything_goes_but_books_and_consents_and_the_receipt_says_so(
    means, a_person, opens, town
):
    person = await a_person()
    assert await opens(person) == 6
    deletion = await wish(means, person)

    await run(deletion, by=means)

    assert await opens(person) == 0
    assert await state(means, deletion) == ("done", "tags_forgotten", None)
    assert [e for e in await means.inventory.of(person.id) if e.destroyed_at is None] == []
    held = {h.scope: set(h.fields) for h in await town.of(person.id)}
    assert held == {
        person.account: {"user.privacy_preferences"},
        person.order: {"user.behavior.purchase_history"},
    }
    said = await receipt(means, deletion)
    assert said["searched"] == {"values": 6, "keys": 1, "opened": 0}  # its audit tag
    kept = {(part["class"], part["until"] is not None) for part in said["kept"]}
    assert kept == {("books", False), ("consent", True)}  # its order has not ended yet here
    assert (await all_of(means, "SELECT count(*) FROM deletions WHERE sealed IS NOT NULL"))[0] == (
        0,
    )


async def test_a_second_run_changes_nothing(means, a_person, town):
    person = await a_person()
    deletion = await wish(means, person)
    await run(deletion, by=means)
    before, said = len(town.dropped), await receipt(means, deletion)

    await run(deletion, by=means)

    assert (len(town.dropped), await receipt(means, deletion)) == (before, said)


async def test_a_copy_of_a_value_under_a_key_that_was_missed_stops_the_run(
    means, a_person, vault, town
):
    """What a service kept back from the plan and a key that came to be behind the run's back."""
    person = await a_person()

    async def only_says_that_it_is_destroyed(place, now):
        if place.scope != person.case:
            await means.destroy(place, now)

    async def never_there(subject):
        return [e for e in await means.inventory.of(subject) if e.place.scope != person.case]

    blind = replace(
        means,
        destroy=only_says_that_it_is_destroyed,
        inventory=type("Blind", (), {"of": staticmethod(never_there)})(),
    )
    deletion = await wish(means, person)

    with pytest.raises(StillOpens):
        await run(deletion, by=blind)

    assert (await state(means, deletion))[0] == "running"
    await means.destroy(
        (await means.inventory.of(person.id))[
            [e.place.scope for e in await means.inventory.of(person.id)].index(person.case)
        ].place,
        means.clock(),
    )
    await run(deletion, by=means)
    assert (await state(means, deletion))[0] == "done"


async def test_an_order_under_way_puts_it_off_or_stays_behind(means, a_person, opens, town):
    waiting, leaving = [await a_person(in_progress="order_packed") for _ in range(2)]
    first = await wish(means, waiting)
    second = await wish(means, leaving, orders_in_progress="leave")

    with pytest.raises(RetryLater):
        await run(first, by=means)
    await run(second, by=means)

    assert await opens(waiting) == 6
    assert (await state(means, first))[0] == "waiting"
    assert await opens(leaving) == 2  # the order's own name and street
    left = await all_of(means, "SELECT scope FROM left_behind WHERE subject_id = :s", s=leaving.id)
    assert left == [(leaving.order,)]
    said = await receipt(means, second)
    assert {part["scope"] for part in said["kept"]} == {leaving.order, leaving.account}
    town.held[waiting.id, waiting.order] = town.held[waiting.id, waiting.order].model_copy(
        update={"in_progress": None}
    )
    await run(first, by=means)
    assert await opens(waiting) == 0


async def test_a_legal_hold_keeps_what_it_covers(means, a_person, opens):
    person = await a_person()
    async with means.database.transaction() as tx:
        await holds.place(
            tx, person.id, person.order, reason="litigation", by="stf_x", now=means.clock()
        )
    deletion = await wish(means, person)

    await run(deletion, by=means)

    assert await opens(person) == 2
    kept = {(p["scope"], p["why"]) for p in (await receipt(means, deletion))["kept"]}
    assert (person.order, "legal hold: litigation") in kept


async def test_undone_in_time_nothing_happens_and_afterwards_it_is_too_late(means, a_person, opens):
    person, other = await a_person(), await a_person()
    deletion, late = await wish(means, person), await wish(means, other)
    async with means.database.transaction() as tx:
        await asking.undo(tx, await asking.of(tx, person.id, lock=True), now=means.clock())

    await run(deletion, by=means)
    await run(late, by=means)

    assert await opens(person) == 6
    async with means.database.transaction() as tx:
        with pytest.raises(asking.DeletionNotFound):
            await asking.of(tx, other.id)
        with pytest.raises(asking.TooLateToUndo):
            await asking.undo(tx, await asking.find(tx, late), now=means.clock())


class Died(BaseException):
    """The process, in the middle of something."""


class Mortal:
    """Counts what is done to the world and dies before or after the chosen one."""

    def __init__(self, means, at=None):
        self.at, self.count = at, 0
        self._means = means

    def means(self):
        real = self._means
        return replace(
            real,
            destroy=self._act(real.destroy),
            journal=self._part(real.journal, "append"),
            holdings=self._part(real.holdings, "drop"),
            audit=self._part(real.audit, "record"),
            revocations=self._part(real.revocations, "revoke"),
            telling=self._part(real.telling, "begun"),
            database=Transactions(self, real.database),
        )

    def step(self):
        self.count += 1
        if self.count == self.at:
            raise Died

    def _act(self, function):
        async def acting(*arguments, **named):
            self.step()
            found = await function(*arguments, **named)
            self.step()
            return found

        return acting

    def _part(self, part, *acts):
        mortal = self

        class Part:
            def __getattr__(self, name):
                found = getattr(part, name)
                return mortal._act(found) if name in acts else found

        return Part()


class Transactions:
    """Dies before a commit, or right after it."""

    def __init__(self, mortal, database):
        self._mortal, self._database = mortal, database

    def transaction(self):
        return _Transaction(self._mortal, self._database)


class _Transaction:
    def __init__(self, mortal, database):
        self._mortal, self._real = mortal, database.transaction()

    async def __aenter__(self):
        return await self._real.__aenter__()

    async def __aexit__(self, kind, error, trace):
        try:
            self._mortal.step()
        except Died as died:
            await self._real.__aexit__(Died, died, None)
            raise
        swallowed = await self._real.__aexit__(kind, error, trace)
        self._mortal.step()
        return swallowed


async def test_killed_at_every_step_it_resumes_to_the_same_end(
    means, a_person, opens, town, record_figures
):
    person = await a_person()
    alive = Mortal(means)
    await run(await wish(means, person), by=alive.means())
    points = alive.count
    assert points > 40
    every = 1 if DEATHS else 5  # in `make test` every fifth, always the same

    for at in range(1, points + 1, every):
        person = await a_person()
        deletion = await wish(means, person)
        mortal = Mortal(means, at)
        with pytest.raises(Died):
            await run(deletion, by=mortal.means())

        await run(deletion, by=means)

        assert await opens(person) == 0, at
        assert await state(means, deletion) == ("done", "tags_forgotten", None), at
        said = await receipt(means, deletion)
        assert said["searched"]["opened"] == 0, at
        assert len(said["gone"]) == 7, (at, said["gone"])
        held = {h.scope: set(h.fields) for h in await town.of(person.id)}
        assert held == {
            person.account: {"user.privacy_preferences"},
            person.order: {"user.behavior.purchase_history"},
        }, at
        places = await means.inventory.of(person.id)
        assert all(e.destroyed_at is not None for e in places), at
    deaths = len(range(1, points + 1, every))
    record_figures(f"deletion: killed at {deaths} of {points} points, each time the same end")


async def test_two_workers_at_one_deletion_do_no_harm(means, a_person, opens):
    person = await a_person()
    deletion = await wish(means, person)

    await asyncio.gather(run(deletion, by=means), run(deletion, by=means), return_exceptions=True)
    await run(deletion, by=means)

    assert await opens(person) == 0
    assert (await state(means, deletion))[0] == "done"
