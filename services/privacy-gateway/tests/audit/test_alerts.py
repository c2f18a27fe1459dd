"""Alerts through their door: listed with whom they are about, answered with a reason, recorded."""

from datetime import UTC, datetime

import pytest

from privacy_gateway.domain.audit import leaf
from privacy_gateway.domain.tokens.caller import VISITOR
from privacy_gateway.domain.tokens.revocation import Revocations
from privacy_gateway.domain.watch import alerts
from privacy_gateway.domain.watch.looking import Finding
from privity_contracts import ids
from privity_database import Database

from .callers import customer_caller, recorded, staff

PATH = "/v1/audit/alerts"


@pytest.fixture
async def database(door, gateway_database):
    opened = door.app.state.database = Database(gateway_database.runtime)
    door.app.state.revocations = Revocations(opened, gateway_database.runtime)
    yield opened
    await opened.dispose()


@pytest.fixture
def raised(database, log, reading, as_owner):
    async def make(rule="volume"):
        """About what the clerk did."""
        [receipt] = await log.record([reading()])
        stored = await as_owner.fetchval(
            "SELECT leaf FROM records WHERE id = $1", receipt.record_id
        )
        now = datetime.now(UTC)
        finding = Finding(
            key=f"{rule}/{receipt.record_id}",
            rule=rule,
            count=9,
            limit=5,
            at=now,
            actor=leaf.read(stored)["actor"],
            role="support_1",
            record_id=receipt.record_id,
        )
        async with database.transaction() as tx:
            assert await alerts.raise_all(tx, [finding], now=now) == [finding]
        return finding

    return make


def of(answer, finding):
    return next(each for each in answer.json()["items"] if each["record"] == finding.record_id)


async def test_a_reviewer_sees_what_was_raised_and_whom_it_is_about(
    api, raised, records, clerk, auditor
):
    finding = await raised()

    answer = await api(staff(auditor), path=PATH, state="open")

    alert = of(answer, finding)
    assert (alert["rule"], alert["count"], alert["limit"]) == ("volume", 9, 5)
    assert answer.json()["people"][alert["actor"]] == clerk
    named = await recorded(records, subject=clerk, actor=auditor)
    assert [each["kind"] for each in named] == ["audit_read"]


async def test_pages_hold_every_alert_once(api, raised, auditor):
    made = {(await raised("hours")).record_id for _ in range(5)}
    seen, cursor = [], {}
    while True:
        page = (await api(staff(auditor), path=PATH, rule="hours", limit=2, **cursor)).json()
        seen += [each["record"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert len(seen) == len(set(seen))
    assert made <= set(seen)


async def test_an_alert_is_answered_once_with_a_reason_and_that_is_recorded(
    api, raised, records, auditor
):
    finding = await raised()
    alert = of(await api(staff(auditor), path=PATH), finding)
    path = f"{PATH}/{alert['id']}/acknowledgement"

    answer = await api(staff(auditor), {"reason": "explained"}, path=path)
    again = await api(staff(auditor), {"reason": "explained"}, path=path)
    other = await api(staff(ids.mint("stf")), {"reason": "incident_opened"}, path=path)

    assert answer.json()["acknowledged_by"] == auditor
    assert again.json() == answer.json()
    assert (other.status_code, other.json()["code"]) == (409, "already_acknowledged")
    noted = await recorded(records, actor=auditor, kind="policy")
    assert noted[0]["reason"] == "alert_explained"
    still = await api(staff(auditor), path=PATH, state="open", limit=100)
    assert finding.record_id not in [each["record"] for each in still.json()["items"]]


@pytest.mark.parametrize("body", [{}, {"reason": "because"}, {"reason": "explained", "x": 1}])
async def test_an_answer_has_a_reason_of_the_list(api, raised, auditor, body):
    finding = await raised()
    alert = of(await api(staff(auditor), path=PATH), finding)

    answer = await api(staff(auditor), body, path=f"{PATH}/{alert['id']}/acknowledgement")

    assert answer.status_code == 422


async def test_strangers_see_and_answer_nothing(api, database, raised, customer, clerk):
    finding = await raised()
    path = f"{PATH}/{ids.mint('alr')}/acknowledgement"
    for who, status in (
        (VISITOR, 401),
        (customer_caller(customer), 403),
        (staff(clerk, role="support_1", purpose="enquiries"), 403),
    ):
        listed = await api(who, path=PATH)
        assert listed.status_code == status
        assert finding.record_id not in listed.text
        assert (await api(who, {"reason": "explained"}, path=path)).status_code == status


async def test_an_alert_that_is_not_there(api, database, auditor):
    path = f"{PATH}/{ids.mint('alr')}/acknowledgement"

    answer = await api(staff(auditor), {"reason": "explained"}, path=path)

    assert (answer.status_code, answer.json()["code"]) == (404, "alert_not_found")
