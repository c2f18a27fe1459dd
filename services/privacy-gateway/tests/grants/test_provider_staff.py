"""Staff of an identity provider work here as their groups say, until somebody says otherwise."""

import asyncio
import time

import pytest
from aiohttp import web
from joserfc.jwk import RSAKey

from privity_contracts import ids

from .conftest import ID_TOKEN, bearer
from .issuer import CLIENT, Issuer

GROUPS = {
    "support-north": {"roles": ["support_1"], "sites": ["north"]},
    "warehouse-south": {"roles": ["warehouse"], "sites": ["south"]},
    "owners": {"roles": ["shop_owner"], "sites": []},
}
KEY = RSAKey.generate_key(2048)


@pytest.fixture(scope="module")
async def issuer():
    async with Issuer().listening() as standing:
        standing.add("rsa", KEY)
        yield standing


@pytest.fixture(scope="module")
async def company(new_gateway, gateway, issuer):
    """A gateway whose staff sign in at the company's provider."""
    return await new_gateway(
        groups=GROUPS,
        openid_issuer=issuer.url,
        openid_audience=CLIENT,
        openid_allowed_addresses=issuer.address,
    )


@pytest.fixture
def somebody():
    return ids.mint("sub")


@pytest.fixture
def ask(company):
    async def ask(token, purpose="warehousing", work="site/south", **detail):
        return await company.exchange(token, purpose, work, kind=ID_TOKEN, **detail)

    return ask


async def in_directory(company, name):
    desk = await company.grant("owner", "staff_administration", "shop")
    listed, cursor = [], ""
    while cursor is not None:
        answer = (await company.get(f"/v1/staff?limit=100{cursor}", desk)).json()
        listed += answer["items"]
        cursor = f"&cursor={answer['next_cursor']}" if answer["next_cursor"] else None
    return desk, next((each for each in listed if each["username"].endswith(f"|{name}")), None)


async def test_whoever_comes_from_the_provider_works_here_as_their_groups_say(
    company, issuer, ask, somebody, records
):
    token = issuer.token(sub=somebody, groups=["warehouse-south", "support-north", "choir"])

    answer = await ask(token)

    assert answer.status_code == 200
    [provisioned, granted] = await records(answer)
    assert (provisioned["reason"], granted["kind"]) == ("staff_provisioned", "grant")
    assert (await ask(token)).status_code == 200
    _, entry = await in_directory(company, somebody)
    assert entry["source"] == "openid"
    # In the order of the file, not of the token.
    assert (entry["roles"], entry["sites"]) == (["support_1", "warehouse"], ["north", "south"])


async def test_a_grant_of_theirs_is_like_any_other(company, issuer, ask, an_order, somebody):
    order = await an_order(assignee=None, site="south")
    token = issuer.token(sub=somebody, groups=["warehouse-south"])

    answer = await ask(token, work=f"order/{order.id}")

    grant = bearer(answer.json()["access_token"])
    assert (await company.get(order.path, grant)).status_code == 200
    refused = await ask(token, purpose="staff_administration", work="shop")
    assert refused.json()["error_description"] == "purpose_not_allowed"


async def test_who_has_no_group_here_has_no_place_here(company, issuer, ask, somebody, records):
    answer = await ask(issuer.token(sub=somebody, groups=["choir"]))

    assert answer.json() == {"error": "access_denied", "error_description": "no_role"}
    [record] = await records(answer)
    assert (record["actor"], record["reason"]) == ("visitor", "no_role")
    assert (await in_directory(company, somebody))[1] is None


async def test_other_groups_end_what_the_old_ones_gave(company, issuer, ask, somebody, records):
    before = int(time.time()) - 5
    old = issuer.token(sub=somebody, groups=["owners"], iat=before)
    granted = await ask(old, purpose="partner_management", work="shop")
    grant = bearer(granted.json()["access_token"])
    assert (await company.get("/v1/recipients", grant)).status_code == 200

    answer = await ask(issuer.token(sub=somebody, groups=["warehouse-south"], iat=before + 1))

    assert answer.json() == {"error": "access_denied", "error_description": "roles_changed"}
    [record] = await records(answer)
    assert record["reason"] == "staff_roles_changed"
    async with asyncio.timeout(2):
        while (  # noqa: ASYNC110  # the feed tells nobody
            await company.get("/v1/recipients", grant)
        ).status_code == 200:
            await asyncio.sleep(0.02)
    assert (await ask(old)).json()["error"] == "invalid_request"  # an old token brings nothing back
    await asyncio.sleep(1.1)
    fresh = issuer.token(sub=somebody, groups=["warehouse-south"])
    assert (await ask(fresh)).status_code == 200
    gone = await ask(fresh, purpose="partner_management", work="shop")
    assert gone.json()["error_description"] == "purpose_not_allowed"


async def test_who_loses_every_group_keeps_nothing(company, issuer, ask, somebody):
    assert (await ask(issuer.token(sub=somebody, groups=["warehouse-south"]))).is_success

    assert (await ask(issuer.token(sub=somebody, groups=[]))).status_code == 400
    await asyncio.sleep(1.1)

    answer = await ask(issuer.token(sub=somebody, groups=[]))
    assert answer.json()["error_description"] == "purpose_not_allowed"


async def test_who_was_deactivated_here_stays_so_whatever_the_provider_says(
    company, new_gateway, issuer, ask, somebody
):
    assert (await ask(issuer.token(sub=somebody, groups=["warehouse-south"]))).is_success
    desk, entry = await in_directory(company, somebody)

    await company.post(f"/v1/staff/{entry['id']}/deactivation", desk, {"reason": "left"})
    await asyncio.sleep(1.1)

    answer = await ask(issuer.token(sub=somebody, groups=["warehouse-south"]))
    assert answer.json()["error_description"] == "not_active"
    await new_gateway()  # its staff file lists nobody of the provider
    _, entry = await in_directory(company, somebody)
    assert (entry["listed"], entry["active"]) == (True, False)


async def test_signing_out_ends_the_providers_token_here_and_its_grants(
    company, issuer, ask, somebody
):
    token = issuer.token(sub=somebody, groups=["owners"])
    other = issuer.token(sub=somebody, groups=["owners"], jti="another sign-in")
    what = {"purpose": "partner_management", "work": "shop"}
    grants = [bearer((await ask(each, **what)).json()["access_token"]) for each in (token, other)]

    answer = await company.client.post("/v1/token/revocation", data={"token": token})

    assert answer.status_code == 200
    assert (await company.get("/v1/recipients", grants[0])).status_code == 401
    assert (await ask(token, **what)).json()["error"] == "invalid_request"
    assert (await company.get("/v1/recipients", grants[1])).status_code == 200
    assert (await ask(other, **what)).status_code == 200


async def test_the_providers_tokens_are_exchanged_and_open_nothing_themselves(
    company, issuer, somebody
):
    token = issuer.token(sub=somebody, groups=["owners"])

    assert (await company.get("/v1/recipients", bearer(token))).status_code == 401
    as_our_own = await company.exchange(token, "partner_management", "shop")
    assert as_our_own.json()["error"] == "invalid_request"


async def test_a_token_of_somebody_else_is_refused(company, issuer, ask, somebody):
    for token in (
        issuer.token(sub=somebody, aud="another-client"),
        issuer.token(sub=somebody, exp=int(time.time()) - 1),
        issuer.token(sub=somebody)[:-4] + "AAAA",
        "x.y.z",
    ):
        answer = await ask(token)
        assert answer.json() == {"error": "invalid_request", "error_description": "subject_token"}


async def test_our_own_sign_in_stays(company):
    assert (await company.ask("kim", "warehousing", "site/north")).status_code == 200


async def test_a_gateway_without_a_provider_believes_none(gateway, issuer, somebody):
    token = issuer.token(sub=somebody)

    answer = await gateway.exchange(token, "warehousing", "site/south", kind=ID_TOKEN)

    assert answer.json() == {"error": "invalid_request", "error_description": "subject_token"}


async def test_while_the_provider_does_not_answer_nobody_new_comes_in(
    new_gateway, issuer, somebody
):
    issuer.answers = {"/keys": web.Response(status=503)}
    try:
        company = await new_gateway(
            groups=GROUPS,
            openid_issuer=issuer.url,
            openid_audience=CLIENT,
            openid_allowed_addresses=issuer.address,
        )
        token = issuer.token(sub=somebody)
        answer = await company.exchange(token, "warehousing", "site/south", kind=ID_TOKEN)
    finally:
        issuer.answers = {}

    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert (await company.ask("kim", "warehousing", "site/north")).status_code == 200
