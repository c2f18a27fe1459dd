"""The directory takes away, at once and over every restart; it gives nothing."""

import asyncio
import contextlib

import pytest

from privity_contracts import ids

from .conftest import STAFF, bearer


@pytest.fixture
async def desk(gateway):
    """The owner's grant for the directory."""
    return await gateway.grant("owner", "staff_administration", "shop")


@pytest.fixture
async def passing(gateway, desk):
    """Somebody to do it to; as they were afterwards."""
    staff_id = (await gateway.sign_in("moving"))["staff_id"]
    yield staff_id
    await gateway.client.delete(f"/v1/staff/{staff_id}/deactivation", headers=desk)
    body = {"roles": ["support_1", "warehouse"]}
    await gateway.client.put(f"/v1/staff/{staff_id}/roles", headers=desk, json=body)
    await asyncio.sleep(1.1)  # tokens of the second in which it changed are ended too


async def deactivate(gateway, desk, staff_id, reason="suspended"):
    path = f"/v1/staff/{staff_id}/deactivation"
    return await gateway.post(path, desk, {"reason": reason})


async def set_roles(gateway, desk, staff_id, *roles):
    path = f"/v1/staff/{staff_id}/roles"
    return await gateway.client.put(path, headers=desk, json={"roles": list(roles)})


async def ended(gateway, grant):
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2):
            while (  # noqa: ASYNC110  # the feed tells nobody
                await gateway.get("/v1/orders", grant)
            ).status_code != 401:
                await asyncio.sleep(0.02)
            return True
    return False


async def test_the_owner_sees_who_works_here(gateway, desk):
    first = (await gateway.get("/v1/staff?limit=3", desk)).json()
    rest = (await gateway.get(f"/v1/staff?cursor={first['next_cursor']}", desk)).json()

    listed = first["items"] + rest["items"]
    assert {each["username"] for each in listed} == set(STAFF)
    kim = next(each for each in listed if each["username"] == "kim")
    assert (kim["roles"], kim["sites"], kim["source"]) == (*STAFF["kim"], "file")
    assert kim["active"] is True
    assert "password_hash" not in kim
    assert (await gateway.get(f"/v1/staff/{kim['id']}", desk)).json() == kim


async def test_who_is_deactivated_is_out_at_every_gateway(
    gateway, other_gateway, desk, passing, records
):
    identity = (await gateway.sign_in("moving"))["identity_token"]
    granted = await gateway.exchange(identity, "warehousing", "site/north")
    grant = bearer(granted.json()["access_token"])

    answer = await deactivate(gateway, desk, passing)

    assert (answer.status_code, answer.json()["active"]) == (200, False)
    assert answer.json()["deactivated_why"] == "suspended"
    [record] = await records(answer)
    assert (record["reason"], record["purpose"]) == ("staff_deactivated", "staff_administration")
    assert await ended(gateway, grant)
    assert await ended(other_gateway, grant)
    assert (await other_gateway.exchange(identity, "warehousing", "site/north")).status_code == 400
    body = {"username": "moving", "password": "correct horse battery"}
    assert (await gateway.client.post("/v1/staff/sign-in", json=body)).status_code == 401
    again = await deactivate(gateway, desk, passing, reason="left")
    assert again.json() == answer.json()  # twice is once
    assert await records(again) == []


async def test_a_restart_does_not_bring_them_back(new_gateway, gateway, desk, passing):
    await deactivate(gateway, desk, passing)

    restarted = await new_gateway()

    found = (await restarted.get(f"/v1/staff/{passing}", desk)).json()
    assert (found["active"], found["listed"]) == (False, True)
    body = {"username": "moving", "password": "correct horse battery"}
    assert (await restarted.client.post("/v1/staff/sign-in", json=body)).status_code == 401


async def test_who_is_reactivated_signs_in_again(gateway, desk, passing, records):
    await deactivate(gateway, desk, passing)

    answer = await gateway.client.delete(f"/v1/staff/{passing}/deactivation", headers=desk)

    assert (answer.status_code, answer.json()["active"]) == (200, True)
    [record] = await records(answer)
    assert record["reason"] == "staff_reactivated"
    assert (await gateway.sign_in("moving"))["staff_id"] == passing
    again = await gateway.client.delete(f"/v1/staff/{passing}/deactivation", headers=desk)
    assert (again.json(), await records(again)) == (answer.json(), [])


async def test_a_role_that_was_taken_away_stays_away(new_gateway, gateway, desk, passing, records):
    grant = await gateway.grant("moving", "warehousing", "site/north")

    answer = await set_roles(gateway, desk, passing, "support_1")

    assert answer.json()["roles"] == ["support_1"]
    assert answer.json()["withheld_roles"] == ["warehouse"]
    [record] = await records(answer)
    assert record["reason"] == "staff_roles_changed"
    assert await ended(gateway, grant)
    await asyncio.sleep(1.1)
    restarted = await new_gateway()
    refused = await restarted.ask("moving", "warehousing", "site/north")
    assert refused.json()["error_description"] == "purpose_not_allowed"
    again = await set_roles(gateway, desk, passing, "support_1")
    assert (again.json()["roles"], await records(again)) == (["support_1"], [])


async def test_the_directory_gives_no_role(gateway, desk, passing):
    answer = await set_roles(gateway, desk, passing, "warehouse", "shop_owner")

    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": "/roles/1", "code": "not_given"}]


async def test_nobody_changes_themselves(gateway, desk, records):
    owner = (await gateway.sign_in("owner"))["staff_id"]

    for answer in (
        await deactivate(gateway, desk, owner),
        await set_roles(gateway, desk, owner),
        await gateway.client.delete(f"/v1/staff/{owner}/deactivation", headers=desk),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "not_yourself")
        [record] = await records(answer)
        assert (record["decision"], record["reason"]) == ("refuse", "not_yourself")


async def test_the_directory_is_nobody_elses_business(gateway, desk, records):
    other = await gateway.grant("officer", "access_oversight", "shop")
    nobody = ids.mint("stf")

    assert (await gateway.get("/v1/staff", {})).status_code == 401
    refused = await gateway.get("/v1/staff", other)
    assert (refused.status_code, refused.json()["code"]) == (403, "purpose_not_allowed")
    assert (await records(refused))[0]["decision"] == "refuse"
    for answer in (
        await gateway.get(f"/v1/staff/{nobody}", desk),
        await deactivate(gateway, desk, nobody),
        await set_roles(gateway, desk, nobody),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "staff_not_found")
    wrong = await deactivate(gateway, desk, nobody, reason="Anna said so")
    assert wrong.status_code == 422
    assert "Anna" not in wrong.text


async def test_a_grant_given_beside_a_change_does_not_outlive_it(gateway, desk, passing):
    """Whoever is being deactivated asks as fast as they can."""
    identity = (await gateway.sign_in("moving"))["identity_token"]
    granted = []

    async def keep_asking():
        while (
            answer := await gateway.exchange(identity, "warehousing", "site/north")
        ).status_code == 200:
            granted.append(bearer(answer.json()["access_token"]))

    asking = [asyncio.create_task(keep_asking()) for _ in range(3)]
    async with asyncio.timeout(10):
        while len(granted) < 6:  # noqa: ASYNC110  # they tell nobody
            await asyncio.sleep(0.01)
        await deactivate(gateway, desk, passing)
        await asyncio.gather(*asking)

    assert [grant for grant in granted if not await ended(gateway, grant)] == []
