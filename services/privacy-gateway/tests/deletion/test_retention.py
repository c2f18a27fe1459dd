"""Retention under a clock that is moved: nothing early, nothing overdue, by country."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from privacy_gateway.api.command_line import main
from privacy_gateway.clients.holdings import HoldingsUnknown
from privacy_gateway.domain.retention import clocks, holds, terms
from privacy_gateway.domain.retention import sweep as sweeping
from privacy_gateway.domain.retention.dueness import due, overdue
from privacy_gateway.domain.retention.sweep import sweep
from privity_contracts import ids
from privity_contracts.events import Event
from privity_jobs import RetryLater

from .conftest import POLICY, all_of

DAY = timedelta(days=1)


async def hear(means, kind, **data):
    event = Event(
        id=ids.mint("evt"), type=kind, occurred_at=means.clock().astimezone(UTC), data=data
    )
    async with means.database.transaction() as tx:
        await clocks.hear(tx, event, file=means.policy.file, vault=means.vault)


async def delivered(means, person, *, country):
    order = person.order.partition("/")[2]
    await hear(
        means, "order.delivered", order_id=order, subject_id=person.id, country=country.lower()
    )


async def late(means):
    async with means.database.transaction() as tx:
        return await overdue(tx, means.policy.file, now=means.clock(), grace=DAY.total_seconds())


@pytest.mark.parametrize(
    ("start", "keep", "end"),
    [
        ("2026-01-31", "P1M", "2026-02-28"),
        ("2024-02-29", "P1Y", "2025-02-28"),
        ("2026-11-30", "P18M", "2028-05-30"),
        ("2026-11-22", "P90D", "2027-02-20"),
        ("2026-11-22", "P0D", "2026-11-22"),
    ],
)
def test_a_time_ends_by_the_calendar(start, keep, end):
    began = datetime.fromisoformat(start).replace(tzinfo=UTC)

    assert terms.end(began, keep) == datetime.fromisoformat(end).replace(tzinfo=UTC)
    assert terms.ends_before(terms.end(began, keep), keep) >= began


async def test_over_the_whole_life_nothing_goes_early_and_nothing_is_late_in_two_countries(
    means, a_person, town, clock
):
    """Night by night around every end, for a German and a Spanish order and a closed account."""
    german, spanish = await a_person(country="DE"), await a_person(country="ES")
    began = clock.now
    for person, country in ((german, "DE"), (spanish, "ES")):
        await delivered(means, person, country=country)
        await hear(means, "case.closed", case_id=person.case.partition("/")[2])

    def left(person):
        found = {}
        for (subject, scope), held in town.held.items():
            if subject == person.id:
                classes = {town.classes[category] for category in held.fields}
                found[scope.partition("/")[0]] = classes
        return found

    account = {"identity", "delivery", "credentials", "consent"}
    expected = [  # days and what is left the night before, and the night after
        (90, "order", {"payment", "books"}),
        (terms.end(began, "P18M"), "order", {"books"}),
        (terms.end(began, "P2Y"), "case", None),
    ]
    for when, kind, after in expected:
        end = began + when * DAY if isinstance(when, int) else when
        before = {person.id: left(person) for person in (german, spanish)}
        clock.now = end - timedelta(seconds=1)
        await sweep(means)
        for person in (german, spanish):
            assert left(person) == before[person.id], (kind, "early")
        clock.now = end
        await sweep(means)
        for person in (german, spanish):
            assert left(person).get(kind) == after, kind
            assert left(person)["account"] == account
        assert await late(means) == 0

    # Books: six years in Spain, eight in Germany.
    for end, gone, kept in (
        (terms.end(began, "P6Y"), spanish, german),
        (terms.end(began, "P8Y"), german, None),
    ):
        clock.now = end - timedelta(seconds=1)
        await sweep(means)
        assert "order" in left(gone)
        clock.now = end
        await sweep(means)
        assert "order" not in left(gone)
        assert kept is None or left(kept)["order"] == {"books"}
        assert await late(means) == 0

    # The account: at once when it is closed, but for the proof of what was agreed to.
    await hear(means, "account.closed", subject_id=german.id)
    await sweep(means)
    assert left(german) == {"account": {"consent"}}
    assert left(spanish) == {"account": account}
    closed = clock.now
    clock.now = terms.end(closed, "P3Y") - timedelta(seconds=1)
    await sweep(means)
    assert left(german) == {"account": {"consent"}}
    clock.now = terms.end(closed, "P3Y")
    await sweep(means)
    assert left(german) == {}
    assert all(e.destroyed_at for e in await means.inventory.of(german.id))


async def test_an_account_nobody_uses_goes_and_one_in_use_stays(means, a_person, town, clock):
    idle, used = await a_person(), await a_person()
    for person in (idle, used):
        await hear(means, "account.active", subject_id=person.id)
    clock.ahead(days=365 * 3)
    await hear(means, "account.active", subject_id=used.id)
    clock.ahead(days=365 * 2 + 2)

    await sweep(means)

    assert (idle.id, idle.account) in town.held  # the consents, for their own time
    assert set(town.held[idle.id, idle.account].fields) == {"user.privacy_preferences"}
    assert "user.name" in town.held[used.id, used.account].fields
    assert await late(means) == 0


async def test_the_latest_event_counts_and_the_same_twice_or_late_changes_nothing(
    means, a_person, clock
):
    person = await a_person()
    first = clock.now
    await delivered(means, person, country="DE")
    clock.ahead(days=10)
    await hear(means, "order.returned", order_id=person.order[6:], subject_id=person.id)
    clock.now = first
    await delivered(means, person, country="DE")

    found = await all_of(
        means, "SELECT started_at, country FROM retention_clocks WHERE scope = :s", s=person.order
    )
    assert found == [(first + 10 * DAY, "DE")]


async def test_a_hold_keeps_and_its_release_lets_go(means, a_person, town, clock):
    person = await a_person()
    await delivered(means, person, country="DE")
    async with means.database.transaction() as tx:
        hold = await holds.place(
            tx, person.id, None, reason="payment_dispute", by="stf_x", now=clock()
        )
    clock.ahead(days=91)
    await sweep(means)
    assert "user.name" in town.held[person.id, person.order].fields
    assert await late(means) == 0

    async with means.database.transaction() as tx:
        await holds.release(tx, hold.id, by="stf_x", now=clock())
    await sweep(means)

    assert "user.name" not in town.held[person.id, person.order].fields


async def test_a_hold_never_stands_over_what_goes_at_that_moment(means, a_person, town, clock):
    """It waits until the keys are gone: whoever placed it may rely on what is there then."""
    person = await a_person()
    await delivered(means, person, country="DE")
    clock.ahead(days=91)
    placing, came_between = [], []

    async def place():
        async with means.database.transaction() as tx:
            await holds.place(tx, person.id, None, reason="audit", by="stf_x", now=clock())

    async def destroy(place_of_key, now):
        if place_of_key.subject == person.id:
            if not placing:
                placing.append(asyncio.create_task(place()))
            done, _ = await asyncio.wait(placing, timeout=0.3)
            came_between.append(bool(done))
        await means.destroy(place_of_key, now)

    await sweep(replace(means, destroy=destroy))
    await asyncio.gather(*placing)

    assert came_between
    assert not any(came_between)
    assert "user.name" not in town.held[person.id, person.order].fields


async def test_who_waits_for_long_hides_nobody_who_is_due(means, a_person, clock, monkeypatch):
    """Three whom a hold keeps, one whose service is away, and the one behind them all."""
    monkeypatch.setattr(sweeping, "AT_ONCE", 2)
    people = [await a_person() for _ in range(5)]
    for person in people:
        await delivered(means, person, country="DE")
        clock.ahead(seconds=1)
    *kept, away, last = people
    for person in kept:
        async with means.database.transaction() as tx:
            await holds.place(tx, person.id, None, reason="audit", by="stf_x", now=clock())
    clock.ahead(days=91)

    async def drop(subject, scope, classes):
        if subject == away.id:
            raise HoldingsUnknown("away")
        return await town.drop(subject, scope, classes)

    town = means.holdings
    holdings = type("Holdings", (), {"drop": staticmethod(drop), "of": staticmethod(town.of)})()
    with pytest.raises(RetryLater):
        await sweep(replace(means, holdings=holdings))

    assert "user.name" not in town.held[last.id, last.order].fields
    async with means.database.transaction() as tx:
        late = await due(tx, means.policy.file, until=clock(), limit=2, held=False)
    assert away.id in {each.subject_id for each in late}
    await sweep(means)
    assert "user.name" in town.held[kept[0].id, kept[0].order].fields


async def test_a_sweep_that_does_not_run_is_seen(means, a_person, clock):
    person = await a_person()
    await delivered(means, person, country="DE")
    before = await late(means)
    clock.ahead(days=92)

    async with means.database.transaction() as tx:
        found = [
            each
            for each in await due(tx, means.policy.file, until=clock())
            if each.subject_id == person.id
        ]

    assert {each.retention_class for each in found} == {"identity", "delivery"}
    assert all(each.rule.ground for each in found)
    assert await late(means) >= before + 2
    await sweep(means)
    assert await late(means) == 0


async def test_a_service_that_is_away_is_tried_again_and_holds_up_nobody(
    means, a_person, town, clock
):
    stuck, other = await a_person(), await a_person()
    for person in (stuck, other):
        await delivered(means, person, country="DE")
    clock.ahead(days=91)
    real = town.drop

    async def away(subject, scope, classes):
        if subject == stuck.id:
            raise HoldingsUnknown("orders is away")
        return await real(subject, scope, classes)

    town.drop = away
    with pytest.raises(RetryLater):
        await sweep(means)

    # Its key is gone already; the rows follow.
    town.drop = real
    await sweep(means)
    for person in (stuck, other):
        assert "user.name" not in town.held[person.id, person.order].fields
    reports = await all_of(means, "SELECT failed FROM sweeps ORDER BY id DESC LIMIT 2")
    assert reports == [(0,), (1,)]


async def test_the_command_line_says_what_goes_tonight_and_why(
    means, a_person, clock, gateway_database, monkeypatch, capsys
):
    person = await a_person()
    clock.now = datetime.now(UTC) - timedelta(days=89, hours=12)
    await delivered(means, person, country="DE")
    monkeypatch.setenv("GATEWAY_DATABASE_URL", gateway_database.runtime)

    code = await asyncio.to_thread(main, ["retention", "due", "--policy", str(POLICY)])

    said = capsys.readouterr().out
    mine = [line for line in said.splitlines() if person.order in line]
    assert len(mine) == 2
    assert all("90 days after: order ended; complaints and returns" in line for line in mine)
    assert person.id not in said
    assert code in {0, 1}  # other tests' people may be late by the real clock
    monkeypatch.delenv("GATEWAY_DATABASE_URL")
    assert main(["retention", "due"]) == 2
