"""Staff sign in, ask for a purpose and a piece of work, and get a grant for exactly that."""

import base64
import json
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import orjson
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from sqlalchemy import delete

from privacy_gateway.api import grants, staff
from privacy_gateway.api.cors import Cors
from privacy_gateway.api.edge import Edge
from privacy_gateway.clients.mail import Mail, MailServer, Sender
from privacy_gateway.domain.break_glass.telling import Telling
from privacy_gateway.domain.budget.spending import Budgets
from privacy_gateway.domain.policy import Policy, load
from privacy_gateway.domain.staff import directory
from privacy_gateway.domain.staff.entrance import Entrance
from privacy_gateway.domain.staff.passwords import Passwords
from privacy_gateway.domain.tokens import minting
from privacy_gateway.domain.tokens.authenticator import Authenticator
from privacy_gateway.domain.tokens.exchange import TokenExchange
from privacy_gateway.domain.tokens.identity import Identities
from privacy_gateway.domain.tokens.introspection import Introspection
from privacy_gateway.domain.tokens.jose import InvalidToken, TokenSigner
from privacy_gateway.domain.work import Work
from privacy_gateway.models import Revocation, SignInAttempts, StaffMember
from privity_contracts import ids
from privity_rest import problems

POLICY = Path(__file__).parents[2] / "policy" / "2026-11-22.yaml"
PASSWORD = "correct horse battery"
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
ORDER = f"order/{ids.mint('ord')}"


# None of these grants is an emergency.
NO_MAIL = Mail(MailServer("127.0.0.1", 9, require_tls=False), sender=Sender.parse("a@b.example"))


@pytest.fixture
def budgets(gateway_database, vault):
    opened = Budgets(gateway_database.runtime, vault, deadline_seconds=10)
    yield opened
    opened.close()


@pytest.fixture
async def door(serve, database, signer, revocations, log, services, budgets):
    """The gateway's own endpoints over HTTP, with everything real behind them."""
    policy = Policy(load(POLICY))
    passwords = Passwords(
        PasswordHasher(time_cost=1, memory_cost=8, parallelism=1), mark_key=b"m" * 32
    )
    exchange = TokenExchange(
        signer=signer,
        revocations=revocations,
        database=database,
        audit=log,
        policy=lambda: policy,
        work=Work(services, policy=lambda: policy),
        budgets=budgets,
        telling=Telling(database, NO_MAIL, to="privacy@shop.example"),
        identities=Identities(signer=signer, revocations=revocations, database=database),
    )
    entrance = Entrance(
        database=database,
        signer=signer,
        audit=log,
        policy=lambda: policy,
        passwords=passwords,
        names_key=bytes(32),
    )
    app = FastAPI(openapi_url=None)
    problems.install(app)
    introspection = Introspection(signer, revocations, policy=lambda: policy)
    app.include_router(grants.router(exchange=exchange, introspection=introspection, signer=signer))
    app.include_router(staff.router(entrance))
    async with database.transaction() as tx:
        for table in (StaffMember, SignInAttempts, Revocation):
            await tx.execute(delete(table))
        await directory.ensure_staff(
            tx,
            username="kim",
            password_hash=passwords.hash(PASSWORD),
            roles=["support_1", "warehouse"],
            sites=["main"],
            now=time.time(),
        )
    port = await serve(Edge(app, cors=Cors([]), https=False))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        authenticator = Authenticator(signer=signer, revocations=revocations, service_keys={})
        yield SimpleNamespace(client=client, authenticator=authenticator, log=log)


@pytest.fixture
def sign_in(door):
    async def sign_in(username="kim", password=PASSWORD):
        body = {"username": username, "password": password}
        return await door.client.post("/v1/staff/sign-in", json=body)

    return sign_in


@pytest.fixture
async def identity(sign_in):
    return (await sign_in()).json()["identity_token"]


def detail(**changes):
    described = {"type": "privity_access", "purpose": "warehousing", "work": "site/main"} | changes
    return {name: value for name, value in described.items() if value is not ...}


def an_order(order_id):
    moment = "2026-11-22T10:00:00Z"
    return {"id": order_id, "site": "main", "state": "paid", "updated_at": moment}


@pytest.fixture
def ask(door, identity):
    async def ask(*details, **changes):
        form = {
            "grant_type": GRANT_TYPE,
            "subject_token": identity,
            "subject_token_type": ACCESS_TOKEN,
            "authorization_details": json.dumps(list(details) or [detail()]),
        } | changes
        form = {name: value for name, value in form.items() if value is not ...}
        return await door.client.post("/v1/token", data=form)

    return ask


@pytest.fixture
def recorded(as_owner):
    """The newest record."""

    async def newest():
        leaf = await as_owner.fetchval("SELECT leaf FROM records ORDER BY recorded_at DESC LIMIT 1")
        return orjson.loads(leaf)

    return newest


def opens(door, token):
    headers = {b"authorization": f"Bearer {token}".encode()}
    try:
        return door.authenticator.authenticate(headers, now=time.time())
    except InvalidToken:
        return None


async def test_a_staff_member_signs_in(sign_in, door, recorded):
    answer = await sign_in()

    assert answer.status_code == 200
    said = answer.json()
    assert (said["roles"], said["sites"]) == (["support_1", "warehouse"], ["main"])
    assert said["expires_in"] == 8 * 3600
    assert opens(door, said["identity_token"]) is None  # it says who, and opens nothing
    record = await recorded()
    assert (record["kind"], record["decision"]) == ("session", "allow")
    assert said["staff_id"] not in json.dumps(record)  # a tag stands for it


async def test_a_failed_sign_in_is_recorded_and_names_nobody(sign_in, recorded):
    for username in ("kim", "nobody"):
        answer = await sign_in(username, "wrong horse battery")

        assert answer.status_code == 401
        assert answer.json()["code"] == "wrong_credentials"
        record = await recorded()
        assert (record["actor"], record["decision"]) == ("visitor", "refuse")
        assert record["reason"] == "wrong_credentials"
        assert record["request"] == answer.headers["Request-Id"]


async def test_too_many_attempts_are_told_when_to_come_back(sign_in):
    for _ in range(5):
        await sign_in("kim", "wrong horse battery")

    answer = await sign_in()

    assert answer.status_code == 429
    assert answer.json()["code"] == "too_many_attempts"
    assert 0 < int(answer.headers["Retry-After"]) <= 900


SIGN_INS = [
    ({"username": "4111 1111 1111 1111", "password": "x"}, [("/username", "card_number")]),
    ({"username": "kim"}, [("/password", "required")]),
    ({"username": "kim", "password": 5}, [("/password", "string_type")]),
    ({"username": "", "password": "x"}, [("/username", "length")]),
    ({"username": "kim", "password": "x", "otp": "1"}, [("/otp", "unknown_field")]),
    (
        {"username": "kim", "password": "x", "anna@shop.example": 1},
        [("/…", "unknown_field")],
    ),
]


async def test_a_sign_in_has_two_members(door):
    for body, errors in SIGN_INS:
        answer = await door.client.post("/v1/staff/sign-in", json=body)

        assert answer.status_code == 422
        assert [(e["field"], e["code"]) for e in answer.json()["errors"]] == errors


async def test_a_grant_is_for_one_purpose_and_one_piece_of_work(ask, door, recorded):
    answer = await ask()

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    said = answer.json()
    assert (said["token_type"], said["expires_in"]) == ("Bearer", 600)
    assert said["issued_token_type"] == ACCESS_TOKEN
    caller = opens(door, said["access_token"])
    assert (caller.kind, caller.role) == ("staff", "warehouse")  # of their roles the one that may
    assert (caller.purpose, caller.work, caller.categories) == ("warehousing", "site/main", None)
    record = await recorded()
    assert (record["kind"], record["decision"], record["role"]) == ("grant", "allow", "warehouse")
    assert (record["purpose"], record["work"]) == ("warehousing", "site/main")
    assert record["clauses"] == ["C2.2"]


async def test_the_answer_says_beforehand_what_the_grant_will_yield(ask):
    (granted,) = (await ask()).json()["authorization_details"]

    assert granted["role"] == "warehouse"
    assert granted["policy"] == "2026-11-22"
    assert granted["yields"]["mask"] == ["user.name"]
    assert "user.contact.email" in granted["yields"]["withhold"]


async def test_a_grant_for_an_order_names_it_only_by_a_tag_in_the_record(
    ask, door, recorded, behind
):
    order_id = ORDER.removeprefix("order/")
    behind.says("orders", f"/v1/{ORDER.replace('order/', 'orders/')}", an_order(order_id))

    answer = await ask(detail(purpose="order_verification", work=ORDER))

    assert opens(door, answer.json()["access_token"]).work == ORDER
    record = await recorded()
    assert record["work"].startswith("order/")
    assert ORDER not in json.dumps(record)


async def test_fewer_categories_can_be_asked_for_and_no_others(ask, door):
    few = ["user.contact.address.country"]
    answer = await ask(detail(categories=few))

    caller = opens(door, answer.json()["access_token"])
    assert caller.categories == set(few)
    (granted,) = answer.json()["authorization_details"]
    assert (granted["yields"]["reveal"], granted["yields"]["mask"]) == (few, [])
    assert "user.name" in granted["yields"]["withhold"]
    more = await ask(detail(categories=["user.contact.email"]))
    assert more.json() == {
        "error": "access_denied",
        "error_description": "categories_not_allowed",
    }


# What is refused although it is well formed: (detail, why).
DENIED = {
    "a purpose of another role": (detail(purpose="audit_review"), "purpose_not_allowed"),
    "a forbidden purpose": (detail(purpose="marketing"), "purpose_not_allowed"),
    "an unknown purpose": (detail(purpose="curiosity"), "purpose_not_allowed"),
    "a customer's purpose": (detail(purpose="self_service"), "purpose_not_allowed"),
    "no purpose at all": (detail(purpose="none"), "purpose_not_allowed"),
    "a role that is not theirs": (detail(role="shop_owner"), "purpose_not_allowed"),
    "their other role": (detail(role="support_1"), "purpose_not_allowed"),
    "a site that is not theirs": (detail(work="site/other"), "work_not_yours"),
}


@pytest.mark.parametrize(("asked", "why"), DENIED.values(), ids=DENIED.keys())
async def test_what_is_not_theirs_is_refused_and_recorded(ask, recorded, asked, why):
    answer = await ask(asked)

    assert answer.status_code == 400
    assert answer.json() == {"error": "access_denied", "error_description": why}
    record = await recorded()
    assert (record["kind"], record["decision"]) == ("refusal", "refuse")
    assert record["reason"] == why
    assert record["purpose"] in {asked["purpose"], "unknown"}


# What makes no sense: (details or form changes, OAuth's error).
SENSELESS = {
    "no details": ({"authorization_details": ...}, "invalid_authorization_details"),
    "details that are no JSON": ({"authorization_details": "{"}, "invalid_authorization_details"),
    "an object": (
        {"authorization_details": json.dumps(detail())},
        "invalid_authorization_details",
    ),
    "none": ({"authorization_details": "[]"}, "invalid_authorization_details"),
    "two": (
        {"authorization_details": json.dumps([detail(), detail()])},
        "invalid_authorization_details",
    ),
    "a member twice": (
        {"authorization_details": json.dumps([detail()])[:-2] + ', "purpose": "marketing"}]'},
        "invalid_authorization_details",
    ),
    "another grant type": ({"grant_type": "password"}, "unsupported_grant_type"),
    "no grant type": ({"grant_type": ...}, "unsupported_grant_type"),
    "no token": ({"subject_token": ...}, "invalid_request"),
    "an empty token": ({"subject_token": ""}, "invalid_request"),
    "another token type": ({"subject_token_type": "urn:x"}, "invalid_request"),
    "a scope": ({"scope": "all"}, "invalid_request"),
    "an actor": ({"actor_token": "x", "actor_token_type": "y"}, "invalid_request"),
    "another kind of token": (
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        "invalid_request",
    ),
}


async def test_what_makes_no_sense_gets_oauths_own_error(ask):
    for what, (changes, error) in SENSELESS.items():
        answer = await ask(**changes)

        assert (what, answer.status_code, answer.json()["error"]) == (what, 400, error)
        assert answer.headers["Content-Type"] == "application/json"


DETAILS = [
    {"type": "other"},
    {"type": ...},
    {"purpose": ...},
    {"purpose": ["warehousing"]},
    {"purpose": "Warehousing"},
    {"purpose": "warehousing "},
    {"purpose": "wаrehousing"},
    {"work": ...},
    {"work": "site/../main"},
    {"work": "site/"},
    {"work": "order/1"},
    {"work": f"{ORDER}\n"},
    {"work": f"case/{ids.mint('ord')}"},
    {"role": 1},
    {"role": None},
    {"categories": []},
    {"categories": "user.name"},
    {"categories": ["user.name"] * 65},
    {"categories": [{}]},
    {"locations": ["https://shop.example"]},
]


async def test_details_are_exactly_what_we_know(ask):
    for changes in DETAILS:
        answer = await ask(detail(**changes))

        assert (changes, answer.status_code) == (changes, 400)
        assert answer.json()["error"] == "invalid_authorization_details"


async def test_a_form_names_each_parameter_once(door, identity):
    form = f"grant_type={GRANT_TYPE}&grant_type={GRANT_TYPE}&subject_token={identity}"
    for body in (form, "a", "a=%ff", "", "a=1;b=2", "&".join(f"a{n}=1" for n in range(40))):
        answer = await door.client.post(
            "/v1/token",
            content=body,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        assert answer.status_code == 400
        assert answer.json()["error"] in {"invalid_request", "unsupported_grant_type"}


async def test_only_an_identity_token_is_exchanged(ask, signer, new_pem):
    granted = (await ask()).json()["access_token"]
    now, session = time.time(), ids.mint("ses")
    stranger = TokenSigner(new_pem(), kid=signer.kid, issuer=signer.issuer)
    wrong = [
        granted,
        minting.customer_token(signer, account=ids.mint("cus"), session=session, now=now).token,
        minting.identity_token(stranger, staff=ids.mint("stf"), session=session, now=now).token,
        minting.identity_token(signer, staff=ids.mint("cus"), session=session, now=now).token,
        minting.identity_token(
            signer, staff=ids.mint("stf"), session=session, now=now - 9 * 3600
        ).token,
    ]

    for token in wrong:
        answer = await ask(subject_token=token)
        assert answer.json() == {"error": "invalid_request", "error_description": "subject_token"}


async def test_who_no_longer_works_here_gets_no_grant(ask, database, recorded, signer):
    nobody = minting.identity_token(
        signer, staff=ids.mint("stf"), session=ids.mint("ses"), now=time.time()
    )

    answer = await ask(subject_token=nobody.token)

    assert answer.json() == {"error": "access_denied", "error_description": "not_active"}
    assert (await recorded())["reason"] == "not_active"


async def test_losing_a_role_ends_the_grants_of_before(ask, door, database):
    granted = (await ask()).json()["access_token"]
    assert opens(door, granted)

    async with database.transaction() as tx:
        kim = await directory.find_by_username(tx, "kim")
        await directory.ensure_staff(
            tx,
            username="kim",
            password_hash=kim.password_hash,
            roles=["support_1"],
            sites=["main"],
            now=time.time(),
        )

    assert await _stops(lambda: opens(door, granted))
    assert (await ask()).json()["error"] == "invalid_request"  # they sign in anew


async def test_a_grant_can_be_given_back(ask, door):
    granted = (await ask()).json()["access_token"]
    other = (await ask()).json()["access_token"]

    answer = await door.client.post("/v1/token/revocation", data={"token": granted})

    assert (answer.status_code, answer.content) == (200, b"")
    assert opens(door, granted) is None
    assert opens(door, other) is not None


async def test_signing_out_ends_every_grant_of_that_sign_in(ask, door, identity):
    granted = (await ask()).json()["access_token"]

    await door.client.post("/v1/token/revocation", data={"token": identity})

    assert opens(door, granted) is None
    assert (await ask()).json()["error"] == "invalid_request"


async def test_giving_back_what_is_no_token_is_answered_alike(door):
    for token in ("x", "a.b.c", "", "\u20ac"):
        answer = await door.client.post("/v1/token/revocation", data={"token": token})
        assert (answer.status_code, answer.content) == (200, b"")
    nothing = await door.client.post("/v1/token/revocation", data={"hint": "x"})
    assert (nothing.status_code, nothing.json()["error"]) == (400, "invalid_request")


async def test_nothing_is_granted_that_cannot_be_recorded(ask, door, sign_in):
    await door.log.close()

    answer = await ask()
    entering = await sign_in()

    assert answer.status_code == 503
    assert answer.json()["error"] == "temporarily_unavailable"
    assert "access_token" not in answer.text
    assert entering.status_code == 503
    assert "identity_token" not in entering.text


async def test_the_keys_are_published_to_be_kept_for_a_while(door, signer, identity):
    answer = await door.client.get("/.well-known/jwks.json")

    assert answer.headers["Content-Type"] == "application/jwk-set+json"
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    header = identity.split(".")[0]
    kid = json.loads(base64.urlsafe_b64decode(header + "=="))["kid"]
    assert [key["kid"] for key in answer.json()["keys"]] == [kid]


async def _stops(condition, seconds=2.0):
    import asyncio

    async with asyncio.timeout(seconds):
        while condition():  # noqa: ASYNC110  # any condition
            await asyncio.sleep(0.02)
    return True
