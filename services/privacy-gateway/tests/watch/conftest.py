"""A watch over the records that a test writes, with a clock that the test sets."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from privacy_gateway.clients.line import for_driver
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.audit.query import Records
from privacy_gateway.domain.audit.tail import Tail
from privacy_gateway.domain.watch import rules
from privacy_gateway.domain.watch.watch import Watch
from privity_database import Database

PATIENT = 10.0


class Clock:
    def __init__(self):
        # A Monday of a past week, at ten in the morning where the shop is.
        today = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0)
        self.now = today - timedelta(days=today.weekday() + 7)

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def database(gateway_database):
    opened = Database(gateway_database.runtime)
    yield opened
    await opened.dispose()


@pytest.fixture
async def gateway_owner(gateway_database):
    connection = await asyncpg.connect(for_driver(gateway_database.owner))
    yield connection
    await connection.close()


@pytest.fixture
async def records(audit_database, vault):
    opened = Records(audit_database.runtime, vault, deadline_seconds=PATIENT)
    yield opened
    opened.close()


@pytest.fixture
async def past_log(audit_database, vault, new_chain, clock):
    """Writes records at whatever time the clock shows."""
    opened = AuditLog(
        audit_database.runtime, vault, new_chain(), clock=clock, deadline_seconds=PATIENT
    )
    await opened.start()
    yield opened
    await opened.close()


@pytest.fixture
def alerts(gateway_owner):
    """What was raised since the test began."""

    async def raised(rule=None):
        rows = await gateway_owner.fetch("SELECT * FROM alerts ORDER BY raised_at, id")
        return [dict(row) for row in rows if rule in {None, row["rule"]}]

    return raised


@pytest.fixture
async def new_watch(database, records, vault, clock, gateway_owner, sequencer):
    """Watches what comes into the log from now on."""
    await sequencer.run()
    await gateway_owner.execute("TRUNCATE alerts, record_counts")
    await gateway_owner.execute(
        "UPDATE watch_place SET next_index = $1, seen_at = $2, holder = NULL, until = $3",
        await Tail(records).size(),
        datetime.now(UTC),
        clock() - timedelta(days=1),
    )

    def make(**changes):
        told = rules.read()
        return Watch(database, records, vault, told.model_copy(update=changes), clock=clock)

    return make


@pytest.fixture
def watch(new_watch):
    return new_watch()


@pytest.fixture
def act(past_log, reading, clock):
    """Accesses one after the other, so many minutes apart."""

    async def make(count, *, minutes=0.0, customers=None, **changes):
        for number in range(count):
            clock.now += timedelta(minutes=minutes)
            about = {}
            if customers is not None:
                one = customers[number % len(customers)]
                about = {"subject": one, "scope": f"account/{one}", "resource": one}
            await past_log.record([reading(**about, **changes)])

    return make


@pytest.fixture
def look(watch, sequencer):
    async def run():
        await sequencer.run()
        await watch.catch_up()

    return run
