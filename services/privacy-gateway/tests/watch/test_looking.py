"""Each thing that the watch looks for, planted; and an ordinary week, in which it is silent."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from privacy_gateway.domain.watch.rules import FILE, Most, read
from privity_contracts import ids

REFUSED = {"kind": "refusal", "decision": "refuse", "reason": "not_yours", "fields": ()}


def strict(name, most):
    return {name: getattr(read(), name).model_copy(update={"most": Most(default=most)})}


async def test_who_looks_at_too_much_raises_an_alert(new_watch, sequencer, alerts, act):
    watch = new_watch(**strict("volume", 5))
    await act(5, minutes=1)
    await sequencer.run()
    await watch.catch_up()
    assert await alerts() == []

    await act(1)
    await sequencer.run()
    await watch.catch_up()

    [alert] = await alerts()
    assert (alert["rule"], alert["count"], alert["limit"]) == ("volume", 6, 5)
    assert alert["actor"].startswith("t1:")
    assert watch.raised == {"volume": 1}


async def test_as_much_over_a_longer_time_raises_none(new_watch, sequencer, alerts, act):
    watch = new_watch(**strict("volume", 5))
    await act(20, minutes=15)
    await sequencer.run()
    await watch.catch_up()

    assert await alerts() == []


async def test_who_looks_at_too_many_people_raises_an_alert(new_watch, sequencer, alerts, act):
    watch = new_watch(**strict("breadth", 3))
    people = [ids.mint("cus") for _ in range(4)]

    await act(9, customers=people[:3])
    await sequencer.run()
    await watch.catch_up()
    assert await alerts() == []
    await act(1, customers=people[3:])
    await sequencer.run()
    await watch.catch_up()

    [alert] = await alerts()
    assert (alert["rule"], alert["count"]) == ("breadth", 4)


@pytest.mark.parametrize(
    ("hours", "role", "raised"),
    [(0, "support_1", []), (13, "support_1", ["hours"]), (13, "engineer_on_call", [])],
)
async def test_who_looks_when_nobody_works_raises_an_alert(
    look, alerts, act, clock, hours, role, raised
):
    clock.now += timedelta(hours=hours)
    await act(6, role=role)
    await look()

    assert [alert["rule"] for alert in await alerts()] == raised


async def test_on_a_sunday_nobody_works(look, alerts, act, clock):
    clock.now += timedelta(days=6)
    await act(6)
    await look()

    assert [alert["rule"] for alert in await alerts()] == ["hours"]


@pytest.mark.parametrize(
    ("kind", "role", "actor"),
    [("staff", "support_1", "stf"), ("customer", "customer", "cus"), ("service", "service", None)],
)
async def test_nothing_but_refusals_raises_an_alert(look, alerts, act, kind, role, actor):
    who = {"actor_kind": kind, "role": role, "actor": ids.mint(actor) if actor else "svc_orders"}

    await act(9, **REFUSED | who)
    await act(1, **who)
    await act(9, **REFUSED | who)
    await look()
    assert await alerts() == []
    await act(1, **REFUSED | who)
    await look()

    [alert] = await alerts()
    assert (alert["rule"], alert["count"]) == ("refusals", 10)


async def test_who_was_refused_often_and_then_got_in_raises_an_alert(look, alerts, act):
    await act(10, **REFUSED)
    await act(1)
    await look()

    [alert] = await alerts()
    assert (alert["rule"], alert["count"]) == ("refusals", 10)


async def test_refusals_over_days_are_no_series(look, alerts, act):
    await act(12, minutes=30, **REFUSED)
    await look()

    assert await alerts() == []


async def test_breaking_the_glass_raises_an_alert_each_time(look, alerts, act):
    grant = {
        "kind": "grant",
        "purpose": "break_glass",
        "role": "engineer_on_call",
        "resource": "token",
        "subject": None,
        "scope": None,
        "fields": (),
    }

    await act(2, **grant)
    await act(1, **grant | {"decision": "refuse", "reason": "not_active"})
    await look()

    assert [alert["rule"] for alert in await alerts()] == ["emergency", "emergency"]


async def test_a_record_that_was_altered_raises_an_alert(look, alerts, past_log, reading, as_owner):
    [receipt] = await past_log.record([reading()])
    alter = "UPDATE records SET role = $2 WHERE id = $1"
    await as_owner.execute(alter, receipt.record_id, "somebody")

    await look()

    [alert] = await alerts()
    assert (alert["rule"], alert["record_id"]) == ("record_altered", receipt.record_id)
    await as_owner.execute(alter, receipt.record_id, "support_1")


async def test_a_record_that_was_taken_out_raises_an_alert(
    look, sequencer, alerts, past_log, reading, as_owner
):
    receipts = [(await past_log.record([reading()]))[0] for _ in range(3)]
    await sequencer.run()
    await as_owner.execute("DELETE FROM records WHERE id = $1", receipts[1].record_id)

    await look()

    [alert] = await alerts()
    assert (alert["rule"], alert["count"]) == ("records_missing", 1)


async def test_a_log_that_does_not_move_raises_an_alert(
    watch, gateway_owner, sequencer, alerts, past_log, reading, clock
):
    # Beyond whatever other tests wrote.
    clock.now = datetime.now(UTC) + timedelta(hours=1)
    await gateway_owner.execute("UPDATE watch_place SET seen_at = $1", clock())
    clock.now += timedelta(seconds=1)
    await past_log.record([reading()])
    waiting = clock()

    clock.now = waiting + timedelta(seconds=59)
    await watch.catch_up()
    assert await alerts("log_behind") == []
    clock.now = waiting + timedelta(seconds=61)
    await watch.catch_up()

    [alert] = await alerts("log_behind")
    assert alert["limit"] == 60
    await sequencer.run()


async def test_an_ordinary_week_raises_none(look, alerts, past_log, reading, clock):
    """Support, warehouse and a service, from Monday to Saturday, with a refusal now and then."""
    monday = clock()
    crew = [(ids.mint("stf"), "support_1"), (ids.mint("stf"), "warehouse")]
    for day in range(6):
        customers = [ids.mint("cus") for _ in range(25)]
        for hour in range(8):
            clock.now = monday + timedelta(days=day, hours=hour)
            accesses = [
                reading(
                    actor=person,
                    role=role,
                    subject=one,
                    scope=f"account/{one}",
                    resource=one,
                    **({"decision": "refuse", "reason": "not_yours"} if number == 0 else {}),
                )
                for person, role in crew
                for number, one in enumerate(customers[hour * 3 : hour * 3 + 4])
            ]
            accesses.append(reading(actor="svc_orders", actor_kind="service", role="service"))
            await past_log.record(accesses)
    await look()

    assert await alerts() == []


async def test_the_same_matter_is_raised_once_by_whichever_process(
    new_watch, sequencer, alerts, act, gateway_owner
):
    watches = [new_watch(**strict("volume", 2)) for _ in range(3)]
    for _ in range(3):
        await act(2)
        await sequencer.run()
        await asyncio.gather(*(watch.catch_up() for watch in watches))

    [alert] = await alerts()
    assert alert["count"] == 6
    assert sum(watch.raised["volume"] for watch in watches) == 1
    assert await gateway_owner.fetchval("SELECT sum(records) FROM record_counts") == 6


async def test_another_process_takes_over_when_one_is_gone(
    new_watch, sequencer, alerts, act, clock
):
    gone, other = new_watch(**strict("volume", 2)), new_watch(**strict("volume", 2))
    await act(1)
    await sequencer.run()
    await gone.catch_up()
    await act(3)
    await sequencer.run()
    await other.catch_up()
    assert await alerts() == []

    clock.now += timedelta(seconds=11)
    await other.catch_up()

    assert [alert["rule"] for alert in await alerts()] == ["volume"]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("[mon,", "[moon,"), ("Europe/Berlin", "Europe/Atlantis"), ("in_a_row: 10", "in_a_row: 0")],
)
def test_a_mistake_in_the_rules_is_named(tmp_path, right, wrong):
    file = tmp_path / "rules.yaml"
    file.write_text(FILE.read_text().replace(right, wrong))

    with pytest.raises((ValueError, KeyError)):
        read(file)


def test_working_hours_are_those_of_the_shop():
    hours = read().hours

    assert hours.at_work(datetime(2026, 7, 6, 4, 30, tzinfo=UTC))  # half past six in summer
    assert not hours.at_work(datetime(2026, 1, 5, 4, 30, tzinfo=UTC))
    assert not hours.at_work(datetime(2026, 1, 5, 21, 0, tzinfo=UTC))
