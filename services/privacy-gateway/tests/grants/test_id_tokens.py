"""What an identity provider says is believed when it can have been nobody else who said it."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
import warnings

import pytest
from aiohttp import web
from joserfc.jwk import ECKey, RSAKey

from privacy_gateway.clients.destinations import Destinations
from privacy_gateway.clients.endpoints import AllowedAddresses, UnsafeEndpoint
from privacy_gateway.clients.identity_provider import IdentityProvider, ProviderUnavailable
from privacy_gateway.domain.tokens.id_token import IdTokens
from privacy_gateway.domain.tokens.jose import InvalidToken
from privacy_gateway.domain.tokens.provider_keys import ProviderKeys

from .issuer import CLIENT, Issuer

DISCOVERY = "/.well-known/openid-configuration"
RSA, RSA_NEXT = (RSAKey.generate_key(2048) for _ in range(2))
EC = ECKey.generate_key("P-256")
with warnings.catch_warnings(action="ignore"):  # the library knows that it is too short
    SHORT = RSAKey.generate_key(1024)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def issuer():
    async with Issuer().listening() as standing:
        standing.add("rsa", RSA, use="sig", alg="RS256")
        standing.add("ec", EC)
        yield standing


@pytest.fixture
def tokens_of(clock):
    def make(issuer, *, url=None, allowed=None):
        destinations = Destinations(allowed=AllowedAddresses([allowed or issuer.address]))
        url = url or issuer.url
        keys = ProviderKeys(IdentityProvider(url, destinations), clock=clock)
        return IdTokens(keys, issuer=url, audience=CLIENT, groups_claim="groups")

    return make


@pytest.fixture
def tokens(issuer, tokens_of):
    return tokens_of(issuer)


@pytest.fixture
def holds(tokens):
    async def holds(token):
        try:
            return await tokens.verify(token, now=time.time())
        except InvalidToken:
            return None

    return holds


@pytest.mark.parametrize("kid", ["rsa", "ec"])
async def test_a_token_of_the_provider_says_who_it_is(holds, issuer, kid):
    found = await holds(issuer.token(kid, groups=["a", "b"]))

    assert (found.subject, found.groups) == ("248289761001", {"a", "b"})
    assert found.expires_at - found.issued_at == 3600


async def test_a_client_among_several_has_to_be_the_one_it_was_issued_to(holds, issuer):
    assert await holds(issuer.token(aud=[CLIENT]))
    assert await holds(issuer.token(aud=[CLIENT, "x"], azp=CLIENT))
    assert await holds(issuer.token(aud=CLIENT, azp=CLIENT, nonce="n", at_hash="h"))
    assert (await holds(issuer.token(groups=...))).groups == frozenset()


NOW = time.time()
WRONG_CLAIMS = {
    "expired": {"exp": int(NOW) - 1},
    "expires as it is issued": {"exp": int(NOW) - 10, "iat": int(NOW) - 10},
    "issued long ago": {"iat": int(NOW) - 9 * 3600},
    "from the future": {"iat": int(NOW) + 86_400},
    "not good yet": {"nbf": int(NOW) + 86_400},
    "another issuer": {"iss": "http://127.0.0.1:1"},
    "no issuer": {"iss": ...},
    "another audience": {"aud": "another-client"},
    "no audience": {"aud": ...},
    "several audiences": {"aud": [CLIENT, "another"]},
    "issued to another client": {"aud": [CLIENT, "another"], "azp": "another"},
    "one audience, issued to another": {"azp": "another"},
    "an audience that holds ours": {"aud": f"{CLIENT}-2"},
    "an object for an audience": {"aud": {CLIENT: 1}},
    "nobody": {"sub": ...},
    "an empty name": {"sub": ""},
    "a long name": {"sub": "x" * 256},
    "a name with our mark in it": {"sub": "a|b"},
    "a name with a break in it": {"sub": "a\nb"},
    "a number for a name": {"sub": 5},
    "no end": {"exp": ...},
    "no beginning": {"iat": ...},
    "an end in words": {"exp": "tomorrow"},
    "an end that is true": {"exp": True},
    "an endless end": {"exp": 1e300},
    "groups that are no list": {"groups": "support-north"},
    "groups that are no names": {"groups": [["support-north"]]},
    "too many groups": {"groups": ["g"] * 1001},
}


@pytest.mark.parametrize("claims", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS.keys())
async def test_claims_that_do_not_hold(holds, issuer, claims):
    assert await holds(issuer.token(**claims)) is None
    assert await holds(issuer.token())  # the provider is well


def part(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def with_hmac(issuer, secret, **header):
    """What an attacker makes who knows the public key and hopes it is taken for a secret."""
    _, payload, _ = issuer.token().split(".")
    signed = f"{part({'alg': 'HS256', 'kid': 'rsa', 'typ': 'JWT'} | header)}.{payload}"
    return f"{signed}.{part(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def stripped(issuer, **header):
    _, payload, _ = issuer.token().split(".")
    return f"{part({'alg': 'none', 'kid': 'rsa'} | header)}.{payload}."


def changed(issuer, **claims):
    header, payload, signature = issuer.token().split(".")
    said = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return f"{header}.{part(said | claims)}.{signature}"


def by_another_key(issuer, kid, key):
    known, issuer.keys[kid] = issuer.keys[kid], key
    try:
        return issuer.token(kid)
    finally:
        issuer.keys[kid] = known


FORGED = {
    "no signature": stripped,
    "no signature, in capitals": lambda i: stripped(i, alg="NONE"),
    "no algorithm": lambda i: stripped(i, alg=None),
    "a secret made of the public key": lambda i: with_hmac(i, RSA.as_pem(private=False)),
    "the same under a key id of its own": lambda i: with_hmac(i, b"k", kid="new"),
    "an empty secret": lambda i: with_hmac(i, b""),
    "another algorithm with the right key": lambda i: i.token(header={"alg": "PS256"}),
    "a longer hash with the right key": lambda i: i.token(header={"alg": "RS512"}),
    "an RSA token under the EC key's id": lambda i: i.token(header={"kid": "ec"}),
    "an EC token under the RSA key's id": lambda i: i.token("ec", header={"kid": "rsa"}),
    "another RSA key": lambda i: by_another_key(i, "rsa", RSA_NEXT),
    "another EC key": lambda i: by_another_key(i, "ec", ECKey.generate_key("P-256")),
    "its key beside it": lambda i: i.token(header={"kid": "x", "jwk": RSA.as_dict(private=False)}),
    "no key id": lambda i: i.token(header={"kid": ...}),
    "an unknown key id": lambda i: i.token(header={"kid": "rsa2"}),
    "a member that must be understood": lambda i: i.token(header={"b64": True, "crit": ["b64"]}),
    "another type": lambda i: i.token(header={"typ": "at+jwt"}),
    "another name in it": lambda i: changed(i, sub="1"),
    "more groups in it": lambda i: changed(i, groups=["owners"]),
    "a signature of another spelling": lambda i: i.token() + "=",
    "four parts": lambda i: i.token() + ".x",
    "nothing": lambda i: "",
    "words": lambda i: "not.a.token",
    "letters of another alphabet": lambda i: "\u20ac.a.b",
    "too long": lambda i: i.token(picture="x" * 20_000),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
async def test_what_the_provider_did_not_sign_is_not_believed(holds, issuer, forge):
    assert await holds(issuer.token())  # its keys are known

    assert await holds(forge(issuer)) is None


UNUSABLE = {
    "for encryption": (RSA_NEXT, {"use": "enc"}),
    "for another algorithm": (RSA_NEXT, {"alg": "RS384"}),
    "for the algorithm of another kind": (RSA_NEXT, {"alg": "ES256"}),
    "too short": (SHORT, {}),
    "another curve": (ECKey.generate_key("P-384"), {}),
    "with its private part": (RSA_NEXT, RSA_NEXT.as_dict(private=True)),
}


@pytest.mark.parametrize(("key", "members"), UNUSABLE.values(), ids=UNUSABLE.keys())
async def test_a_key_that_is_not_for_this_is_no_key(holds, issuer, key, members):
    issuer.add("odd", key, **{k: v for k, v in members.items() if k != "kid"})
    alg = {"header": {"alg": "ES384"}} if key.as_dict().get("crv") == "P-384" else {}

    assert await holds(issuer.token("odd", **alg)) is None
    assert await holds(issuer.token())


async def test_an_id_that_stands_twice_is_none(holds, issuer):
    issuer.add("rsa", RSA_NEXT)

    assert await holds(issuer.token("rsa")) is None
    assert await holds(issuer.token("ec"))


async def test_a_new_key_is_found_when_it_is_used(holds, issuer, clock):
    assert await holds(issuer.token())
    issuer.add("next", RSA_NEXT)

    clock.now += 60

    assert await holds(issuer.token("next"))
    assert issuer.asked == [DISCOVERY, "/keys", "/keys"]


async def test_made_up_key_ids_fetch_once_a_minute(holds, issuer, clock):
    for n in range(20):
        assert await holds(issuer.token(header={"kid": f"made-up-{n}"})) is None
    assert issuer.asked == [DISCOVERY, "/keys"]

    clock.now += 60
    for n in range(20):
        assert await holds(issuer.token(header={"kid": f"made-up-{n}"})) is None
    assert issuer.asked == [DISCOVERY, "/keys", "/keys"]


async def test_a_key_that_was_taken_back_verifies_nothing_five_minutes_later(holds, issuer, clock):
    assert await holds(issuer.token())
    issuer.remove("rsa")

    clock.now += 301

    assert await holds(issuer.token()) is None
    assert await holds(issuer.token("ec"))


async def test_many_at_once_fetch_once(holds, issuer):
    found = await asyncio.gather(*(holds(issuer.token(sub=str(n))) for n in range(20)))

    assert all(found)
    assert issuer.asked == [DISCOVERY, "/keys"]


async def test_without_the_provider_its_keys_count_for_an_hour(holds, tokens, issuer, clock):
    token = issuer.token()
    assert await holds(token)
    issuer.answers = {path: web.Response(status=500) for path in (DISCOVERY, "/keys")}

    clock.now += 3600
    assert await holds(token)
    clock.now += 61
    with pytest.raises(ProviderUnavailable):
        await tokens.verify(token, now=time.time())

    issuer.answers = {}
    clock.now += 60
    assert await holds(token)


BROKEN = {
    "another issuer": lambda i: i.discovery.update(issuer="http://127.0.0.1:1"),
    "no issuer": lambda i: i.discovery.pop("issuer"),
    "its issuer with a slash more": lambda i: i.discovery.update(issuer=f"{i.url}/"),
    "no keys named": lambda i: i.discovery.pop("jwks_uri"),
    "keys inside our own network": lambda i: i.discovery.update(jwks_uri="https://10.0.0.1/k"),
    "keys at another port": lambda i: i.discovery.update(jwks_uri="http://127.0.0.1:1/keys"),
    "keys in a file": lambda i: i.discovery.update(jwks_uri="file:///etc/passwd"),
    "keys by a number": lambda i: i.discovery.update(jwks_uri="http://2130706433/keys"),
    "a redirect": lambda i: i.answers.update(
        {"/keys": web.Response(status=302, headers={"Location": "/other"})}
    ),
    "no JSON": lambda i: i.answers.update({"/keys": web.Response(text="<html>")}),
    "a list": lambda i: i.answers.update({"/keys": web.json_response([])}),
    "no keys": lambda i: i.answers.update({"/keys": web.json_response({"keys": "x"})}),
    "too long": lambda i: i.answers.update({"/keys": web.Response(text=" " * 300_000)}),
    "an error": lambda i: i.answers.update({DISCOVERY: web.Response(status=404)}),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
async def test_a_provider_that_is_not_as_it_should_be_is_unavailable(tokens, issuer, broken):
    broken(issuer)

    with pytest.raises(ProviderUnavailable):
        await tokens.verify(issuer.token(), now=time.time())
    assert "/other" not in issuer.asked


async def test_a_provider_at_an_address_that_was_not_listed_is_not_asked(issuer, tokens_of):
    for url in (issuer.url, "http://idp.example", "https://10.0.0.1", "https://localhost"):
        with pytest.raises(UnsafeEndpoint):
            tokens_of(issuer, url=url, allowed="127.0.0.1:1")
    assert issuer.asked == []
