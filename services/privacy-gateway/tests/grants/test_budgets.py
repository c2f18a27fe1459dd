"""Over budget nothing is given; raises are given by one, looked at by another, and end."""

import shutil
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from privity_contracts import ids

from .conftest import HERE

FEW = {"base": 2, "factor": 0}


@pytest.fixture(scope="module")
async def strict(new_gateway, gateway, tmp_path_factory):
    """A gateway where nobody may see more than two customers a day."""
    folder = tmp_path_factory.mktemp("policy")
    [newest] = sorted((HERE / "policy").glob("2*.yaml"))[-1:]
    shutil.copy(newest, folder)
    file = yaml.safe_load(newest.read_text())
    file["limits"]["budgets"].update(default=FEW, roles={})
    (folder / newest.name).write_text(yaml.safe_dump(file))
    return await new_gateway(policy_dir=folder)


@pytest.fixture
async def reads(strict, an_order):
    """Reads as many other orders as asked, as one of the busy."""

    async def as_(username, *, count):
        headers = await strict.grant(username, "warehousing", "site/north")
        orders = [await an_order(assignee=None) for _ in range(count)]
        return [await strict.get(order.path, headers) for order in orders]

    return as_


def in_days(days):
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


@pytest.fixture
async def raise_for(strict):
    async def ask(username, by="owner", *, key=None, **changes):
        staff_id = (await strict.sign_in(username))["staff_id"]
        headers = await strict.grant(by, "access_oversight", "shop")
        body = {"extra": 1, "reason": "seasonal_peak", "ends_at": in_days(2)} | changes
        headers["Idempotency-Key"] = key or ids.mint("key")
        return await strict.post(f"/v1/budgets/{staff_id}/raises", headers, body)

    return ask


async def second_look(strict, given, outcome="confirmed", *, by="privacy"):
    headers = await strict.grant(by, "access_oversight", "shop")
    path = f"/v1/budgets/{given['staff_id']}/raises/{given['id']}/review"
    return await strict.post(path, headers, {"outcome": outcome})


async def test_over_budget_nothing_is_given_and_the_refusal_is_recorded(strict, reads, records):
    answers = await reads("busy0", count=3)

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    refused = answers[-1]
    assert refused.json()["code"] == "budget_spent"
    assert 0 < int(refused.headers["Retry-After"]) <= 86_400
    assert "recipient" not in refused.json()
    [record] = await records(refused)
    assert (record["decision"], record["reason"]) == ("refuse", "budget_spent")
    assert record["fields"] == {}


async def test_the_second_process_knows_what_the_first_one_counted(
    strict, gateway, reads, an_order
):
    await reads("busy1", count=2)
    headers = await gateway.grant("busy1", "warehousing", "site/north")

    found = await gateway.get((await an_order(assignee=None)).path, headers)
    again = await strict.get((await an_order(assignee=None)).path, headers)

    assert found.status_code == 200  # its policy allows more
    assert again.status_code == 429


async def test_the_exchange_says_what_is_left(strict, reads):
    await reads("busy2", count=1)

    answer = await strict.ask("busy2", "warehousing", "site/north")

    [detail] = answer.json()["authorization_details"]
    assert detail["budget"] == {"allowed": 2, "spent": 1}


async def test_a_raise_opens_the_door_again(strict, reads, raise_for, records):
    await reads("busy3", count=2)

    given = await raise_for("busy3")

    assert given.status_code == 201
    assert (given.json()["extra"], given.json()["outcome"]) == (1, None)
    [record] = await records(given)
    assert (record["reason"], record["purpose"]) == ("budget_raised", "access_oversight")
    assert [a.status_code for a in await reads("busy3", count=2)] == [200, 429]


async def test_the_second_look_is_another_persons_and_on_record(strict, raise_for, records):
    given = (await raise_for("busy4")).json()

    own = await second_look(strict, given, by="owner")
    assert (own.status_code, own.json()["code"]) == (403, "second_person_needed")
    [record] = await records(own)
    assert (record["decision"], record["reason"]) == ("refuse", "second_person_needed")

    looked = await second_look(strict, given)
    assert (looked.status_code, looked.json()["outcome"]) == (200, "confirmed")
    [record] = await records(looked)
    assert record["reason"] == "raise_confirmed"
    assert (await second_look(strict, given)).status_code == 200  # twice is once
    other = await second_look(strict, given, "withdrawn")
    assert (other.status_code, other.json()["code"]) == (409, "already_reviewed")


async def test_whoever_gave_it_may_take_it_back(strict, raise_for, reads):
    given = (await raise_for("busy5")).json()

    assert (await second_look(strict, given, "withdrawn", by="owner")).status_code == 200

    assert [a.status_code for a in await reads("busy5", count=3)] == [200, 200, 429]


async def test_nobody_raises_their_own_budget(strict, raise_for, records):
    answer = await raise_for("owner")

    assert (answer.status_code, answer.json()["code"]) == (403, "own_budget")
    given = (await raise_for("privacy")).json()
    own = await second_look(strict, given, by="privacy")
    assert (own.status_code, own.json()["code"]) == (403, "own_budget")


async def test_a_raise_asked_for_twice_is_one(strict, raise_for):
    key, ends_at = ids.mint("key"), in_days(1)
    first = await raise_for("busy6", key=key, ends_at=ends_at)

    again = await raise_for("busy6", key=key, ends_at=ends_at)
    other = await raise_for("busy6", key=key, ends_at=ends_at, extra=2)

    assert (again.status_code, again.json()) == (200, first.json())
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


WRONG = [
    ({"ends_at": in_days(7.1)}, "at_most_7_days"),
    ({"ends_at": in_days(-1)}, "at_most_7_days"),
    ({"ends_at": "soon"}, None),
    ({"extra": 0}, None),
    ({"extra": 10_001}, None),
    ({"reason": "because"}, None),
    ({"note": "for Anna"}, None),
]


@pytest.mark.parametrize(("changes", "code"), WRONG)
async def test_a_raise_has_bounds(raise_for, changes, code):
    answer = await raise_for("busy6", **changes)

    assert answer.status_code == 422
    assert code in {None, answer.json()["errors"][0]["code"]}


async def test_those_who_watch_see_how_budgets_stand(strict, reads, raise_for):
    await reads("busy7", count=1)
    given = (await raise_for("busy7")).json()
    headers = await strict.grant("privacy", "access_oversight", "shop")

    answer = await strict.get(f"/v1/budgets/{given['staff_id']}", headers)

    said = answer.json()
    assert {"role": "warehouse", "allowed": 3, "spent": 1} in said["items"]
    assert said["raises"] == [given]


async def test_budgets_are_nobody_elses_business(strict, records):
    path = f"/v1/budgets/{ids.mint('stf')}"
    watching = await strict.grant("privacy", "access_oversight", "shop")
    other = await strict.grant("owner", "partner_management", "shop")

    assert (await strict.get(path, {})).status_code == 401
    assert (await strict.get(path, watching)).json()["code"] == "staff_not_found"
    refused = await strict.get(path, other)
    assert (refused.status_code, refused.json()["code"]) == (403, "purpose_not_allowed")
    [record] = await records(refused)
    assert record["decision"] == "refuse"
    missing = f"/v1/budgets/{ids.mint('stf')}/raises/{ids.mint('rse')}/review"
    answer = await strict.post(missing, watching, {"outcome": "confirmed"})
    assert answer.json()["code"] == "raise_not_found"
