"""What a grant opens is its work: over HTTP, through the whole gateway."""

import asyncio
import time

import pytest

from privity_contracts import ids

from .conftest import STAFF, bearer, the_case


async def stops(gateway, path, headers, *, seconds=2.0):
    """The seconds until a read that was answered is refused."""
    begun = time.monotonic()
    async with asyncio.timeout(seconds):
        while (  # noqa: ASYNC110  # the feed tells nobody
            answer := await gateway.get(path, headers)
        ).status_code == 200:
            await asyncio.sleep(0.02)
    assert answer.status_code == 401, answer.text
    return time.monotonic() - begun


@pytest.fixture
async def kim(gateway):
    return (await gateway.sign_in("kim"))["staff_id"]


async def test_a_case_opens_the_order_that_it_is_about(gateway, kim, an_order, records):
    order = await an_order(assignee=kim)
    headers = await gateway.grant("kim", "enquiries", f"case/{order.case}")

    answer = await gateway.get(order.path, headers)

    assert answer.status_code == 200
    assert answer.json()["recipient"][0] == "A"
    assert "Anna" not in answer.text  # masked
    [record] = await records(answer)
    assert (record["kind"], record["purpose"]) == ("read", "enquiries")
    assert record["work"].startswith("case/t1:")


async def test_another_order_of_the_same_customer_is_not_the_work(gateway, kim, an_order, records):
    order = await an_order(assignee=kim)
    other = await an_order(assignee=kim, subject=order.subject)
    headers = await gateway.grant("kim", "enquiries", f"case/{order.case}")

    answer = await gateway.get(other.path, headers)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "Anna" not in answer.text
    [record] = await records(answer)
    assert (record["decision"], record["reason"]) == ("refuse", "foreign_subject")


async def test_an_order_of_the_site_opens_for_its_site_alone(gateway, kim, an_order):
    order = await an_order(assignee=None)
    elsewhere = await an_order(assignee=None, site="south")

    assert (await gateway.ask("kim", "warehousing", f"order/{order.id}")).status_code == 200
    refused = await gateway.ask("kim", "warehousing", f"order/{elsewhere.id}")
    assert refused.json() == {"error": "access_denied", "error_description": "work_not_yours"}


async def test_a_purpose_without_customers_takes_the_shop_as_work(gateway):
    headers = await gateway.grant("owner", "partner_management", "shop")

    assert (await gateway.get("/v1/recipients", headers)).status_code == 200
    refused = await gateway.ask("owner", "partner_management", "site/north")
    assert refused.json()["error_description"] == "work_kind_not_allowed"


async def test_a_service_that_cannot_say_whose_work_it_is_grants_nothing(gateway, house):
    case = ids.mint("cas")
    house.says("customers", f"/v1/cases/{case}/work", status=500)

    answer = await gateway.ask("kim", "enquiries", f"case/{case}")

    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")


@pytest.mark.parametrize("kind", ["case.closed", "case.handed_over"])
async def test_what_happens_to_a_case_ends_its_grants(gateway, kim, an_order, kind):
    order = await an_order(assignee=kim)
    other = await an_order(assignee=kim)
    headers = await gateway.grant("kim", "enquiries", f"case/{order.case}")
    others = await gateway.grant("kim", "enquiries", f"case/{other.case}")
    assert (await gateway.get(order.path, headers)).status_code == 200

    told = await gateway.tell(kind, case_id=order.case, assignee=kim)

    assert (told.status_code, told.json()) == (202, {"consumers": 1})
    assert (await gateway.get(order.path, headers)).status_code == 401
    assert (await gateway.get(other.path, others)).status_code == 200
    assert (await gateway.tell(kind, case_id=order.case)).status_code == 202  # twice is once


async def test_who_takes_a_case_has_its_grant_at_once(gateway, kim, an_order):
    order = await an_order(assignee=kim)
    headers = await gateway.grant("kim", "enquiries", f"case/{order.case}")

    # The outbox is a little slower than the person.
    told = await gateway.tell("case.assigned", case_id=order.case, assignee=kim)

    assert told.status_code == 202
    assert (await gateway.get(order.path, headers)).status_code == 200


async def test_who_takes_a_case_from_the_queue_keeps_the_grant_they_get_for_it(
    gateway, kim, an_order
):
    order = await an_order(assignee=kim)
    headers = await gateway.grant("kim", "enquiries", f"case/{order.case}")

    assert (await gateway.tell("case.assigned", case_id=order.case)).status_code == 202

    assert (await gateway.get(order.path, headers)).status_code == 200


async def test_who_has_the_case_since_keeps_their_grant(gateway, an_order, house):
    lee = (await gateway.sign_in("lee"))["staff_id"]
    order = await an_order(assignee=lee)
    headers = await gateway.grant("lee", "enquiries", f"case/{order.case}")

    # An hour late: the outbox of a service that was down.
    await gateway.tell("case.handed_over", at=time.time() - 3600, case_id=order.case, assignee=lee)

    assert (await gateway.get(order.path, headers)).status_code == 200


@pytest.fixture
def handed_over(house, kim, gateway):
    """Lets `customers` say, in its answer, that the case is not kim's work any more."""

    async def make(order, *, to, says=None):
        at_work = await gateway.grant("kim", "enquiries", f"case/{order.case}")
        path = f"/v1/cases/{order.case}/handover"
        facts = {"id": order.case, "kind": "enquiry", "state": "assigned", "assignee": to}
        moments = dict.fromkeys(("opened_at", "due_at"), "2026-11-22T10:00:00Z")
        house.says("customers", path, facts | moments, method="POST")
        house.revokes["customers", path] = {"Privity-Revoke": says or f"case/{order.case}"}
        body = {"assignee": to, "reason": "absence"}
        assert (await gateway.post(path, at_work, body)).status_code == 200
        return at_work

    return make


async def test_a_grant_ends_with_the_answer_that_its_case_is_somebody_elses(
    gateway, an_order, kim, house, handed_over
):
    lee = (await gateway.sign_in("lee"))["staff_id"]
    order, other = await an_order(assignee=kim), await an_order(assignee=kim)
    elsewhere = await gateway.grant("kim", "enquiries", f"case/{other.case}")

    at_work = await handed_over(order, to=lee)

    assert (await gateway.get(order.path, at_work)).status_code == 401
    assert (await gateway.get(other.path, elsewhere)).status_code == 200
    # Asked for within the same second: what was issued in it is ended, so it is issued after it.
    the_case(house, order, assignee=lee)
    next_one = await gateway.grant("lee", "enquiries", f"case/{order.case}")
    assert (await gateway.get(order.path, next_one)).status_code == 200


async def test_only_who_owns_cases_ends_grants_and_only_by_naming_one(
    gateway, an_order, kim, house, handed_over
):
    lee = (await gateway.sign_in("lee"))["staff_id"]
    order = await an_order(assignee=kim)

    at_work = await handed_over(order, to=lee, says="case/*")
    house.revokes["orders", order.path] = {"Privity-Revoke": f"case/{order.case}"}

    for _ in range(2):
        assert (await gateway.get(order.path, at_work)).status_code == 200


async def test_a_case_that_was_given_away_grants_nothing_more(gateway, kim, an_order, house):
    order = await an_order(assignee=kim)
    the_case(house, order, assignee=ids.mint("stf"))

    answer = await gateway.ask("kim", "enquiries", f"case/{order.case}")

    assert answer.json()["error_description"] == "work_not_yours"


async def test_an_event_that_names_no_case_is_not_taken(gateway):
    for data in ({}, {"case_id": ids.mint("ord")}, {"case_id": "cas"}):
        answer = await gateway.tell("case.closed", **data)

        assert (answer.status_code, answer.json()["code"]) == (422, "no_case_named")


async def test_only_the_service_that_owns_cases_tells_of_them(gateway):
    answer = await gateway.tell("case.closed", service="orders", case_id=ids.mint("cas"))

    assert answer.status_code == 403


SERVICE = {"Authorization": "Bearer " + "k" * 32, "Privity-Service": "orders"}


async def introspected(gateway, token, headers):
    answer = await gateway.client.post(
        "/v1/token/introspection", data={"token": token}, headers=headers
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json()


async def test_a_grant_is_explained_to_its_holder_and_to_services(gateway, kim):
    headers = await gateway.grant("kim", "warehousing", "site/north", role="warehouse")
    token = headers["Authorization"].removeprefix("Bearer ")

    for asker in (headers, SERVICE):
        said = await introspected(gateway, token, asker)

        assert said["active"] is True
        assert (said["sub"], said["aud"]) == (kim, "urn:privity:api")
        assert said["exp"] - said["iat"] == 600
        [detail] = said["authorization_details"]
        assert (detail["purpose"], detail["work"]) == ("warehousing", "site/north")
        assert detail["role"] == "warehouse"
        assert detail["yields"]["mask"] == ["user.name"]


async def test_a_narrowed_grant_says_so(gateway):
    headers = await gateway.grant(
        "kim", "warehousing", "site/north", categories=["user.contact.address.country"]
    )
    token = headers["Authorization"].removeprefix("Bearer ")

    [detail] = (await introspected(gateway, token, headers))["authorization_details"]

    assert detail["yields"]["reveal"] == ["user.contact.address.country"]
    assert "user.name" in detail["yields"]["withhold"]


async def test_what_is_not_good_or_not_theirs_is_inactive_and_no_more(gateway):
    kims = await gateway.grant("kim", "warehousing", "site/north")
    owners = await gateway.grant("owner", "partner_management", "shop")
    token = kims["Authorization"].removeprefix("Bearer ")

    assert await introspected(gateway, token, owners) == {"active": False}
    for nonsense in ("", "x", "a.b.c", token[:-2]):
        assert await introspected(gateway, nonsense, SERVICE) == {"active": False}
    await gateway.client.post("/v1/token/revocation", data={"token": token})
    assert await introspected(gateway, token, SERVICE) == {"active": False}


async def test_who_signed_in_can_ask_about_that_too(gateway, kim):
    headers = await gateway.grant("kim", "warehousing", "site/north")
    identity = (await gateway.sign_in("kim"))["identity_token"]

    said = await introspected(gateway, identity, headers)

    assert (said["active"], said["aud"]) == (True, "urn:privity:token-exchange")
    assert "authorization_details" not in said


async def test_strangers_are_told_nothing_about_tokens(gateway):
    headers = await gateway.grant("kim", "warehousing", "site/north")
    token = headers["Authorization"].removeprefix("Bearer ")

    answer = await gateway.client.post("/v1/token/introspection", data={"token": token})

    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    for form in ({}, {"token": token, "other": "x"}):
        answer = await gateway.client.post(
            "/v1/token/introspection", data=form, headers=bearer(token)
        )
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("what", ["grant", "sign-in", "case", "role"])
async def test_whatever_ends_a_grant_ends_it_at_every_gateway(
    new_gateway, gateway, other_gateway, an_order, what
):
    signed_in = await gateway.sign_in("passing")
    order = await an_order(assignee=signed_in["staff_id"])
    identity = signed_in["identity_token"]
    granted = (await gateway.exchange(identity, "enquiries", f"case/{order.case}")).json()
    headers = bearer(granted["access_token"])
    for process in (gateway, other_gateway):
        assert (await process.get(order.path, headers)).status_code == 200

    if what == "case":
        await gateway.tell("case.closed", case_id=order.case)
    elif what == "role":
        await new_gateway(staff=STAFF | {"passing": (["warehouse"], ["north"])})
    else:
        token = granted["access_token"] if what == "grant" else identity
        await gateway.client.post("/v1/token/revocation", data={"token": token})

    assert await stops(gateway, order.path, headers) < 2.0
    assert await stops(other_gateway, order.path, headers) < 2.0
