"""Figures over time: of everything, as the watch counted it; of a person, from their records."""

from datetime import UTC, datetime, timedelta

import pytest

from privacy_gateway.domain.tokens.caller import VISITOR
from privacy_gateway.domain.watch import rules
from privacy_gateway.domain.watch.watch import Watch
from privity_contracts import ids
from privity_database import Database

from .callers import customer_caller, recorded, staff

PATH = "/v1/audit/statistics"


@pytest.fixture
async def counted(door, gateway_database, records, vault, sequencer):
    """Counts all that there is."""
    database = Database(gateway_database.runtime)
    door.app.state.database = database
    watch = Watch(database, records, vault, rules.read())
    moment = datetime.now(UTC) + timedelta(hours=2)

    async def count():
        nonlocal moment
        moment += timedelta(minutes=1)
        watch._clock = lambda: moment
        await sequencer.run()
        await watch.catch_up()

    yield count
    await database.dispose()


def total(answer):
    return sum(each["records"] for each in answer.json()["items"])


async def test_everything_is_counted_by_what_is_asked(api, counted, log, reading, auditor):
    purpose = f"purpose_{ids.mint('req')[-8:]}"
    await log.record([reading(purpose=purpose)] * 3)
    await log.record([reading(purpose=purpose, role="dispatch", decision="refuse", reason="no")])
    await counted()

    answer = await api(
        staff(auditor), {"purpose": purpose, "per": "hour", "by": ["role", "decision"]}, path=PATH
    )

    assert answer.json()["counted_from"] == "log"
    found = {(each["role"], each["decision"]): each["records"] for each in answer.json()["items"]}
    assert found == {("support_1", "allow"): 3, ("dispatch", "refuse"): 1}
    by_day = await api(staff(auditor), {"purpose": purpose, "service": "customers"}, path=PATH)
    assert total(by_day) == 4


async def test_counting_again_counts_nothing_twice(api, counted, log, reading, auditor):
    purpose = f"purpose_{ids.mint('req')[-8:]}"
    for _ in range(3):
        await log.record([reading(purpose=purpose)])
        await counted()
        await counted()

    assert total(await api(staff(auditor), {"purpose": purpose}, path=PATH)) == 3


async def test_a_persons_records_are_counted_from_the_store(
    api, log, reading, customer, clerk, auditor
):
    await log.record([reading()] * 2)
    await log.record([reading(purpose="delivery", role="dispatch"), reading(actor=ids.mint("stf"))])

    about = await api(staff(auditor), {"subject": customer, "kind": "read"}, path=PATH)
    by = await api(staff(auditor), {"actor": clerk, "by": ["purpose"]}, path=PATH)
    nobody = await api(staff(auditor), {"subject": ids.mint("cus")}, path=PATH)

    assert about.json()["counted_from"] == "store"
    assert total(about) == 4
    found = {each["purpose"]: each["records"] for each in by.json()["items"]}
    assert found == {"enquiries": 2, "delivery": 1}
    assert nobody.json()["items"] == []


async def test_asking_for_figures_is_recorded(api, log, records, reading, customer, auditor):
    await api(staff(auditor), {"subject": customer}, path=PATH)

    [asked] = await recorded(records, subject=customer, actor=auditor)
    assert asked["kind"] == "audit_read"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"category": "user.name"}, "only_of_a_person"),
        ({"recipient": "rcp_0000000000000000000000000a"}, "only_of_a_person"),
        ({"work": "site/north"}, "only_of_a_person"),
        ({"per": "hour", "since": "2026-01-01T00:00:00Z"}, "too_long"),
        ({"since": "2026-03-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "too_long"),
        ({"per": "minute"}, "literal_error"),
        ({"by": ["actor"]}, "literal_error"),
    ],
)
async def test_what_cannot_be_counted_is_said(api, counted, auditor, body, code):
    answer = await api(staff(auditor), body, path=PATH)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == code


async def test_only_reviewers_get_figures(api, customer, clerk):
    for who, status in (
        (VISITOR, 401),
        (customer_caller(customer), 403),
        (staff(clerk, role="support_1", purpose="enquiries"), 403),
    ):
        assert (await api(who, {}, path=PATH)).status_code == status
