"""Counting whom somebody sees: durable, the same for every process, and free the second time."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from privacy_gateway.clients.line import for_driver
from privacy_gateway.domain.budget import raises, volume
from privacy_gateway.domain.budget.spending import Budgets, BudgetSpent, BudgetUnknown
from privacy_gateway.domain.policy.limits import Allowance
from privacy_gateway.domain.policy.limits import Budgets as Terms
from privacy_gateway.domain.tokens.caller import VISITOR
from privacy_gateway.models import Base, StaffMember
from privity_contracts import ids
from privity_contracts.events import Event
from privity_database import Database, differences

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TERMS = Terms(
    default=Allowance(base=3, factor=0),
    roles={"warehouse": Allowance(base=1, factor=1.5)},
    busiest_of_days=7,
)


class Clock:
    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now.timestamp()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def new_process(gateway_database, vault, clock):
    opened = []

    def start(**changes):
        budgets = Budgets(
            gateway_database.runtime, vault, clock=clock, deadline_seconds=10, **changes
        )
        opened.append(budgets)
        return budgets

    yield start
    for budgets in opened:
        budgets.close()


@pytest.fixture
def budgets(new_process):
    return new_process()


@pytest.fixture
async def database(gateway_database):
    opened = Database(gateway_database.runtime, pool_size=4)
    yield opened
    await opened.dispose()


@pytest.fixture
async def rows(gateway_database):
    """What the tables hold; nothing of an earlier test."""
    connection = await asyncpg.connect(for_driver(gateway_database.owner))
    await connection.execute(
        "TRUNCATE order_volume, counted_events, budget_subjects, budget_days, budget_raises"
    )

    async def read(statement, *arguments):
        return [tuple(row) for row in await connection.fetch(statement, *arguments)]

    yield read
    await connection.close()


@pytest.fixture
def kim(rows):
    return replace(VISITOR, kind="staff", actor=ids.mint("stf"), role="support_1")


def people(count):
    return [ids.mint("cus") for _ in range(count)]


async def see(budgets, who, *subjects):
    """As the gateway does it: nothing is asked of the database when nobody is new."""
    unseen = budgets.unseen(who, subjects)
    if unseen:
        await budgets.spend(who, unseen, terms=TERMS)
    return len(unseen)


async def spent(budgets, who):
    standing = await budgets.standing(who.actor, who.role, terms=TERMS)
    return standing.spent


async def test_the_tables_are_what_the_models_say(gateway_database):
    assert await differences(gateway_database.owner, Base.metadata) == []


async def test_each_customer_counts_once_a_day(budgets, kim):
    one, two = people(2)

    assert [await see(budgets, kim, one) for _ in range(3)] == [1, 0, 0]
    assert await see(budgets, kim, one, two) == 1

    assert await spent(budgets, kim) == 2


async def test_what_one_process_counted_another_does_not_count_again(new_process, kim):
    here, there = new_process(), new_process()
    customers = people(3)

    await see(here, kim, *customers)
    await see(there, kim, *customers)

    assert await spent(there, kim) == 3


async def test_more_than_allowed_is_refused_and_not_counted(budgets, kim):
    known, new = people(2), people(2)
    await see(budgets, kim, *known)

    with pytest.raises(BudgetSpent) as caught:
        await see(budgets, kim, *new)

    assert caught.value.retry_after == 12 * 3600  # until the day is over
    assert await spent(budgets, kim) == 2
    assert await see(budgets, kim, new[0]) == 1  # there is room for one
    with pytest.raises(BudgetSpent):
        await see(budgets, kim, new[1])
    await see(budgets, kim, *known, new[0])  # those who were counted stay


async def test_whom_was_seen_before_stays_when_less_is_allowed_than_was_spent(
    new_process, kim, rows
):
    customers = people(3)
    await see(new_process(), kim, *customers)
    await rows("UPDATE budget_days SET allowed = 3")
    less = TERMS.model_copy(update={"default": Allowance(base=1, factor=0)})

    await new_process().spend(kim, customers, terms=less)

    with pytest.raises(BudgetSpent):
        await new_process().spend(kim, people(1), terms=less)


async def test_two_processes_at_once_spend_no_more_than_there_is(new_process, kim):
    processes = [new_process(), new_process()]

    async def one(number, subject):
        try:
            await see(processes[number % 2], kim, subject)
        except BudgetSpent:
            return 0
        return 1

    seen = await asyncio.gather(*(one(n, subject) for n, subject in enumerate(people(20))))

    assert sum(seen) == 3
    assert await spent(processes[0], kim) == 3


async def test_two_processes_with_the_same_customers_do_not_wait_for_ever(new_process, kim):
    processes = [new_process(), new_process()]
    customers = people(3)
    orders = [customers, customers[::-1]] * 5

    async with asyncio.timeout(5):
        await asyncio.gather(
            *(processes[n % 2].spend(kim, each, terms=TERMS) for n, each in enumerate(orders))
        )

    assert await spent(processes[0], kim) == 3


async def test_a_process_that_forgot_counts_nobody_twice(new_process, kim):
    forgetful = new_process(remembered=1)
    one, two = people(2)

    for subject in (one, two, one, two):
        assert await see(forgetful, kim, subject) == 1

    assert await spent(forgetful, kim) == 2


async def test_a_new_day_begins_with_nothing_spent(budgets, kim, clock, rows):
    customers = people(3)
    await see(budgets, kim, *customers)

    clock.now += timedelta(days=1)

    assert await spent(budgets, kim) == 0
    assert await see(budgets, kim, *customers) == 3
    clock.now += timedelta(days=1)
    await see(budgets, kim, customers[0])
    days = await rows("SELECT DISTINCT day FROM budget_subjects ORDER BY day")
    assert days == [(date(2026, 11, 23),), (date(2026, 11, 24),)]  # the day before is forgotten


async def test_everyone_has_a_budget_in_each_role(budgets, kim):
    lee, packing = replace(kim, actor=ids.mint("stf")), replace(kim, role="warehouse")
    customers = people(3)
    await see(budgets, kim, *customers)

    await see(budgets, lee, *customers)
    await see(budgets, packing, customers[0])

    with pytest.raises(BudgetSpent):
        await see(budgets, packing, customers[1])


async def test_the_table_does_not_say_who_was_seen(budgets, kim, rows, clock):
    [customer] = people(1)
    await see(budgets, kim, customer)
    clock.now += timedelta(days=1)
    await see(budgets, kim, customer)

    [(one,), (other,)] = await rows("SELECT subject_tag FROM budget_subjects")

    assert len(one) == 16
    assert one != other  # the same customer, another day
    everything = str(await rows("SELECT * FROM budget_subjects, budget_days"))
    assert customer.removeprefix("cus_") not in everything


async def test_nothing_is_given_while_it_cannot_be_counted(vault, kim, gateway_database):
    nowhere = gateway_database.runtime.replace(gateway_database.name, "nowhere")
    budgets = Budgets(nowhere, vault)

    with pytest.raises(BudgetUnknown):
        await see(budgets, kim, *people(1))
    with pytest.raises(BudgetUnknown):
        await budgets.standing(kim.actor, kim.role, terms=TERMS)


async def packed(database, *, days_ago=0, event_id=None):
    at = NOON - timedelta(days=days_ago)
    event = Event(
        id=event_id or ids.mint("evt"),
        type="order.packed",
        occurred_at=at,
        data={"order_id": ids.mint("ord")},
    )
    async with database.transaction() as tx:
        await volume.count(tx, event, now=NOON)


async def test_a_budget_follows_the_busiest_day_of_late(budgets, database, kim):
    packer = replace(kim, role="warehouse")

    async def allowed():
        return (await budgets.standing(packer.actor, packer.role, terms=TERMS)).allowed

    assert await allowed() == 1
    for days_ago, orders in ((0, 2), (6, 3), (7, 9), (-1, 9)):
        for _ in range(orders):
            await packed(database, days_ago=days_ago)
    assert await allowed() == 1 + 4  # 1.5 × 3; a week ago is too long, and tomorrow is a lie


async def test_an_event_that_comes_twice_is_one_order(database, rows):
    twice = ids.mint("evt")
    for _ in range(2):
        await packed(database, event_id=twice)
    await asyncio.gather(*(packed(database, event_id=twice) for _ in range(4)))
    await packed(database)

    assert await rows("SELECT orders FROM order_volume") == [(2,)]


@pytest.fixture
async def raised(database, kim):
    """Gives kim's budget two more."""
    async with database.transaction() as tx:
        tx.add(
            StaffMember(
                id=kim.actor,
                username=kim.actor,
                password_hash="",
                given_roles=[],
                sites=[],
                listed=True,
            )
        )
    raise_id, owner = ids.mint("rse"), ids.mint("stf")
    async with database.transaction() as tx:
        await raises.give(
            tx,
            raise_id,
            staff_id=kim.actor,
            extra=2,
            reason="seasonal_peak",
            given_by=owner,
            ends_at=NOON + timedelta(days=7),
            now=NOON,
        )

    async def review(outcome):
        async with database.transaction() as tx:
            await raises.review(
                tx, raise_id, staff_id=kim.actor, outcome=outcome, by=ids.mint("stf"), now=NOON
            )

    return review


async def test_a_raise_counts_at_once_and_for_a_day_without_a_second_look(
    budgets, kim, raised, clock
):
    await see(budgets, kim, *people(5))
    with pytest.raises(BudgetSpent):
        await see(budgets, kim, *people(1))

    clock.now += timedelta(days=1)

    with pytest.raises(BudgetSpent):
        await see(budgets, kim, *people(4))


async def test_a_confirmed_raise_counts_until_it_ends(budgets, kim, raised, clock):
    await raised("confirmed")

    clock.now += timedelta(days=6)
    await see(budgets, kim, *people(5))
    clock.now += timedelta(days=1)
    with pytest.raises(BudgetSpent):
        await see(budgets, kim, *people(4))


async def test_a_raise_that_was_withdrawn_counts_no_more(budgets, kim, raised):
    await raised("withdrawn")

    with pytest.raises(BudgetSpent):
        await see(budgets, kim, *people(4))


async def test_asking_again_takes_microseconds(budgets, kim):
    customers = people(3)
    await see(budgets, kim, *customers)

    begun = time.perf_counter()
    for _ in range(1000):
        assert budgets.unseen(kim, customers[:1]) == []
    assert time.perf_counter() - begun < 0.5  # 500 µs each would be a statement
