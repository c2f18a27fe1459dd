"""A revoked token stops: here at once, in every other process within two seconds."""

import asyncio
import time

import pytest

from privacy_gateway.domain.tokens import minting
from privacy_gateway.domain.tokens.authenticator import Authenticator
from privacy_gateway.domain.tokens.cache import TokenCache
from privacy_gateway.domain.tokens.jose import InvalidToken
from privacy_gateway.domain.tokens.revocation import Revocations, RevocationsUnknown
from privacy_gateway.domain.tokens.sessions import CustomerSessions
from privity_contracts import ids
from privity_database import DatabaseUnavailable
from privity_rest import Unauthenticated, background

NOW = 1_800_000_000.0
KEY = "k" * 64


@pytest.fixture
def authenticator(signer, revocations):
    return Authenticator(signer=signer, revocations=revocations, service_keys={"orders": KEY})


@pytest.fixture
def account():
    return ids.mint("cus")


@pytest.fixture
def session():
    return ids.mint("ses")


@pytest.fixture
def token(signer, account, session):
    return minting.customer_token(signer, account=account, session=session, now=NOW).token


def bearer(token, **more):
    return {b"authorization": b"Bearer " + token.encode()} | more


async def until(condition, seconds=2.0):
    """How long it took; fails when it took longer."""
    begun = time.monotonic()
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # any condition
            await asyncio.sleep(0.01)
    return time.monotonic() - begun


def refused(authenticator, token, now=NOW):
    try:
        authenticator.authenticate(bearer(token), now=now)
    except InvalidToken:
        return True
    return False


def test_a_customer_is_known_by_their_token(authenticator, token, account, session):
    caller = authenticator.authenticate(bearer(token), now=NOW)

    assert (caller.kind, caller.actor, caller.subject) == ("customer", account, account)
    assert (caller.role, caller.purpose, caller.session) == ("customer", "self_service", session)
    assert caller.expires_at == NOW + 600


def test_a_staff_member_is_known_by_their_grant(authenticator, signer, session):
    staff = ids.mint("stf")
    grant = minting.grant_token(
        signer,
        staff=staff,
        session=session,
        role="warehouse",
        purpose="warehousing",
        work="site/main",
        work_subject=None,
        work_scopes={"order/*"},
        categories={"user.name"},
        now=NOW,
    )

    caller = authenticator.authenticate(bearer(grant.token), now=NOW)

    assert (caller.kind, caller.actor, caller.subject) == ("staff", staff, None)
    assert (caller.role, caller.purpose, caller.work) == ("warehouse", "warehousing", "site/main")
    assert caller.categories == {"user.name"}
    assert (caller.work_subject, caller.work_scopes) == (None, {"order/*"})


def test_nobody_at_all_is_a_visitor(authenticator):
    caller = authenticator.authenticate({}, now=NOW)

    assert (caller.kind, caller.actor, caller.purpose) == ("visitor", "visitor", "")


def test_an_identity_token_opens_nothing(authenticator, signer, session):
    identity = minting.identity_token(signer, staff=ids.mint("stf"), session=session, now=NOW)

    assert refused(authenticator, identity.token)


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": ids.mint("stf")},
        {"purpose": "warehousing"},
        {"sid": None},
        {"role": "support_1"},
        {"kind": "staff", "role": "support_1", "work": "site/main"},
        {"kind": "staff", "sub": ids.mint("stf"), "role": "support_1"},
        {"kind": "staff", "sub": ids.mint("stf"), "work": "site/main", "work_scopes": ["order/*"]},
        # Bound to work, and nothing says what that covers.
        {"kind": "staff", "sub": ids.mint("stf"), "role": "support_1", "work": "site/main"},
        {"kind": "staff_identity"},
    ],
)
def test_claims_that_do_not_belong_together_make_no_caller(authenticator, signer, changes):
    claims = {
        "aud": minting.ACCESS,
        "sub": ids.mint("cus"),
        "sid": ids.mint("ses"),
        "kind": "customer",
        "purpose": "self_service",
        "iat": int(NOW),
        "nbf": int(NOW),
        "exp": int(NOW) + 600,
        "jti": ids.mint("tok"),
    } | changes
    if claims["sid"] is None:
        del claims["sid"]

    assert refused(authenticator, signer.sign(claims))


def test_a_service_is_known_by_its_key(authenticator):
    headers = {b"authorization": f"Bearer {KEY}".encode(), b"privity-service": b"orders"}

    caller = authenticator.authenticate(headers, now=NOW)

    assert (caller.kind, caller.actor) == ("service", "svc_orders")
    assert (caller.role, caller.purpose) == ("service", "service_operation")


@pytest.mark.parametrize(
    "headers",
    [
        {b"privity-service": b"orders"},
        {b"privity-service": b"orders", b"authorization": b"Bearer " + b"x" * 64},
        {b"privity-service": b"customers", b"authorization": f"Bearer {KEY}".encode()},
        {b"privity-service": b"", b"authorization": f"Bearer {KEY}".encode()},
        {b"privity-service": b"orders", b"authorization": b"Bearer "},
        {b"privity-service": b"nobody", b"authorization": b"Bearer "},
        {b"authorization": f"Bearer {KEY}".encode()},
        {b"authorization": f"Basic {KEY}".encode()},
        {b"authorization": b""},
        {b"authorization": b"Bearer"},
    ],
)
def test_whatever_does_not_hold_is_refused_and_never_a_visitor(authenticator, headers):
    with pytest.raises(Unauthenticated):
        authenticator.authenticate(headers, now=NOW)


def test_a_token_with_a_services_name_beside_it_is_not_a_service(authenticator, token):
    with pytest.raises(Unauthenticated):
        authenticator.authenticate(bearer(token, **{}) | {b"privity-service": b"orders"}, now=NOW)


def test_a_cached_token_ends_when_it_expires(authenticator, token):
    assert authenticator.authenticate(bearer(token), now=NOW)
    assert authenticator.authenticate(bearer(token), now=NOW + 599)

    assert refused(authenticator, token, now=NOW + 600)


def test_the_cache_is_bounded_and_drops_the_least_used(signer, revocations, account, session):
    cache = TokenCache(capacity=3)
    authenticator = Authenticator(
        signer=signer, revocations=revocations, service_keys={}, cache=cache
    )
    tokens = [
        minting.customer_token(signer, account=account, session=session, now=NOW).token
        for _ in range(4)
    ]

    for token in (*tokens[:3], tokens[0], tokens[3]):
        authenticator.authenticate(bearer(token), now=NOW)

    assert len(cache) == 3
    assert [cache.get(cache.key(token.encode())) is not None for token in tokens] == [
        True,
        False,
        True,
        True,
    ]
    assert all(token.encode() not in repr(vars(cache)).encode() for token in tokens)


@pytest.mark.parametrize("kind", ["token", "session", "actor"])
async def test_a_revocation_counts_at_once_where_it_is_made(
    authenticator, revocations, signer, token, account, session, kind
):
    claims = signer.verify(token, audience=minting.ACCESS, now=NOW)
    named = {"token": claims.token_id, "session": session, "actor": account}
    assert not refused(authenticator, token)

    await revocations.revoke(kind, named[kind], now=NOW)

    assert refused(authenticator, token)


async def test_closing_the_work_ends_its_grants(authenticator, revocations, signer, session):
    work = f"order/{ids.mint('ord')}"
    who = {"staff": ids.mint("stf"), "session": session, "categories": None}
    covers = {"work_subject": None, "work_scopes": {work}}
    mint = who | covers | {"role": "support_1", "purpose": "enquiries", "now": NOW}
    grant = minting.grant_token(signer, **mint, work=work).token
    other = minting.grant_token(signer, **mint, work="site/main").token
    assert not refused(authenticator, grant)

    await revocations.revoke("work", work, now=NOW)

    assert refused(authenticator, grant)
    assert not refused(authenticator, other)


async def test_a_revocation_reaches_another_process_within_two_seconds(
    authenticator, new_process, signer, token, session
):
    elsewhere = await new_process()
    assert not refused(authenticator, token)

    await CustomerSessions(signer, elsewhere, clock=lambda: NOW + 5).end(session)

    await until(lambda: refused(authenticator, token))


async def test_it_reaches_the_other_process_also_without_the_notification(
    authenticator, database, token, session
):
    """The feed is read each second, in case a notification is lost."""
    from sqlalchemy import text

    assert not refused(authenticator, token)

    async with database.transaction() as tx:
        statement = "INSERT INTO revocations VALUES ('session', :s, now() + interval '1 hour')"
        await tx.execute(text(statement), {"s": session})

    assert await until(lambda: refused(authenticator, token)) < 2


async def test_a_process_that_starts_later_knows_of_it(
    authenticator, revocations, new_process, signer, token, session
):
    wall = time.time()  # the table forgets by the database's clock
    await revocations.revoke("session", session, now=wall)

    later = Authenticator(signer=signer, revocations=await new_process(), service_keys={})

    assert refused(later, token)


async def test_who_was_signed_out_may_sign_in_again(authenticator, revocations, signer, account):
    def mint(now):
        return minting.customer_token(signer, account=account, session=ids.mint("ses"), now=now)

    before, after = mint(NOW).token, mint(NOW + 1).token

    await revocations.revoke("actor", account, now=NOW, issued_until=int(NOW))

    assert refused(authenticator, before, now=NOW + 2)
    assert not refused(authenticator, after, now=NOW + 2)


async def test_a_revocation_never_gets_weaker(authenticator, revocations, signer, account):
    token = minting.customer_token(
        signer, account=account, session=ids.mint("ses"), now=NOW + 50
    ).token

    await revocations.revoke("actor", account, now=NOW)
    await revocations.revoke("actor", account, now=NOW, issued_until=int(NOW))
    assert refused(authenticator, token, now=NOW + 51)
    await asyncio.sleep(0.3)  # the table has been read back by now

    assert refused(authenticator, token, now=NOW + 51)


async def test_tokens_are_refused_while_revocations_cannot_be_known(
    signer, new_process, account, session
):
    hours = [0.0]
    stale = await new_process(clock=lambda: hours[0])
    authenticator = Authenticator(signer=signer, revocations=stale, service_keys={"orders": KEY})
    token = minting.customer_token(signer, account=account, session=session, now=NOW).token
    assert authenticator.authenticate(bearer(token), now=NOW)

    hours[0] = 5.1

    with pytest.raises(RevocationsUnknown):
        authenticator.authenticate(bearer(token), now=NOW)
    service = {b"authorization": f"Bearer {KEY}".encode(), b"privity-service": b"orders"}
    assert authenticator.authenticate(service, now=NOW).kind == "service"
    assert authenticator.authenticate({}, now=NOW).kind == "visitor"
    await until(lambda: _fresh(stale))
    assert authenticator.authenticate(bearer(token), now=NOW)


async def test_a_process_that_never_reached_the_table_honours_no_token(signer, database, token):
    nowhere = Revocations(database, "postgresql+asyncpg://nobody@127.0.0.1:1/nothing")
    authenticator = Authenticator(signer=signer, revocations=nowhere, service_keys={})

    async with nowhere.following():
        await asyncio.sleep(0.1)

        with pytest.raises(RevocationsUnknown):
            authenticator.authenticate(bearer(token), now=NOW)


async def test_a_process_that_stops_as_a_revocation_arrives_stops(
    database, gateway_database, monkeypatch
):
    monkeypatch.setattr(background, "AGAIN_SECONDS", 60)  # at the first asking
    for _ in range(20):
        followed = Revocations(database, gateway_database.runtime)
        async with asyncio.timeout(10):
            async with followed.following():
                await until(lambda followed=followed: _fresh(followed))
                await asyncio.sleep(0.02)  # it waits for the next notification
                followed._poke.set()


async def test_the_feed_comes_back_after_its_connection_was_killed(
    authenticator, gateway_database, revocations, token, session, new_process, signer
):
    import asyncpg

    from privacy_gateway.clients.line import for_driver

    admin = await asyncpg.connect(for_driver(gateway_database.admin))
    killed = await admin.fetchval(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE application_name = 'privity-revocations' AND datname = current_database()"
    )
    await admin.close()
    assert killed >= 1

    elsewhere = await new_process()
    await elsewhere.revoke("session", session, now=time.time())

    await until(lambda: refused(authenticator, token), seconds=4)


async def test_a_revocation_that_cannot_be_stored_counts_here_all_the_same(
    signer, gateway_database, token, session
):
    from privity_database import Database

    unreachable = Database("postgresql+asyncpg://nobody@127.0.0.1:1/nothing", pool_size=1)
    lonely = Revocations(unreachable, gateway_database.runtime)
    authenticator = Authenticator(signer=signer, revocations=lonely, service_keys={})
    async with lonely.following():
        await until(lambda: _fresh(lonely))
        assert not refused(authenticator, token)

        with pytest.raises(DatabaseUnavailable):
            await lonely.revoke("session", session, now=NOW)

        assert refused(authenticator, token)
    await unreachable.dispose()


def _fresh(followed):
    try:
        followed.require_fresh()
    except RevocationsUnknown:
        return False
    return True


async def test_an_unknown_kind_of_revocation_is_a_bug(revocations):
    with pytest.raises(ValueError, match="no such kind"):
        await revocations.revoke("person", "x", now=NOW)
