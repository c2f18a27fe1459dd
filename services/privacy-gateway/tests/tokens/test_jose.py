"""Only a token that we made, whole and unchanged, for here and for now, is a token."""

import base64
import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from jose import jwk, jws
from jose import jwt as naive

from privacy_gateway.domain.tokens.jose import InvalidToken, TokenSigner, thumbprint
from privity_contracts import ids

NOW = 1_800_000_000
AUDIENCE = "urn:privity:api"
SUBJECT = ids.mint("cus")
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def claims(**changes):
    described = {
        "aud": AUDIENCE,
        "sub": SUBJECT,
        "sid": ids.mint("ses"),
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 600,
        "jti": ids.mint("tok"),
        "purpose": "self_service",
        "kind": "customer",
    } | changes
    return {name: value for name, value in described.items() if value is not ...}


def encode(raw):
    if not isinstance(raw, bytes | str):
        raw = json.dumps(raw)
    raw = raw.encode() if isinstance(raw, str) else raw
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.fixture
def forge(key_pem, signer):
    """Signs whatever it is given with the real key: the signature is never what is wrong."""
    key = serialization.load_pem_private_key(key_pem.encode(), None)

    def sign(header, payload, *, low=True):
        signed = f"{encode(header)}.{encode(payload)}"
        der = key.sign(signed.encode(), ec.ECDSA(serialization_hash()))
        r, s = utils.decode_dss_signature(der)
        if (s > ORDER // 2) == low:
            s = ORDER - s
        return f"{signed}.{encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def serialization_hash():
        from cryptography.hazmat.primitives.hashes import SHA256

        return SHA256()

    return sign


@pytest.fixture
def header(signer):
    return {"alg": "ES256", "typ": "at+jwt", "kid": signer.kid}


@pytest.fixture
def payload(signer):
    return claims(iss=signer.issuer)


def refuses(signer, token, **how):
    with pytest.raises(InvalidToken):
        signer.verify(token, **{"audience": AUDIENCE, "now": NOW, **how})
    return True


def test_a_token_of_ours_says_what_was_put_in(signer):
    said = claims(kind="staff", sub=ids.mint("stf"), role="warehouse", work="site/main")
    said |= {"purpose": "warehousing", "categories": ["user.name"]}

    read = signer.verify(signer.sign(said), audience=AUDIENCE, now=NOW + 1)

    assert (read.subject, read.role, read.work) == (said["sub"], "warehouse", "site/main")
    assert (read.token_id, read.session, read.purpose) == (said["jti"], said["sid"], "warehousing")
    assert (read.issued_at, read.expires_at) == (NOW, NOW + 600)
    assert read.categories == {"user.name"}


def test_the_forging_hand_of_these_tests_makes_tokens_that_pass(signer, forge, header, payload):
    assert signer.verify(forge(header, payload), audience=AUDIENCE, now=NOW).subject == SUBJECT


def test_a_token_has_one_spelling(signer):
    for _ in range(8):  # half of all signatures come out with the larger s
        token = signer.sign(claims())
        assert signer.verify(token, audience=AUDIENCE, now=NOW)


@pytest.mark.parametrize("low", [True, False])
def test_the_twin_of_a_signature_is_refused(signer, forge, header, payload, low):
    token = forge(header, payload, low=low)

    if low:
        assert signer.verify(token, audience=AUDIENCE, now=NOW)
    else:
        assert refuses(signer, token)
        key = jwk.construct(signer._verifying[signer.kid].to_pem().decode(), "ES256")
        assert jws.verify(token, key, ["ES256"])  # the library alone would take it


HEADERS = {
    "no algorithm": {"alg": "none"},
    "no algorithm, in capitals": {"alg": "NONE"},
    "none of the algorithm": {"alg": ...},
    "another algorithm": {"alg": "RS256"},
    "an algorithm in lower case": {"alg": "es256"},
    "another curve's algorithm": {"alg": "ES384"},
    "several algorithms": {"alg": ["ES256"]},
    "another type": {"typ": "JWT"},
    "the type of an ID token": {"typ": "id+jwt"},
    "the media type in full": {"typ": "application/at+jwt"},
    "no type": {"typ": ...},
    "no key id": {"kid": ...},
    "an unknown key": {"kid": "unknown"},
    "a key id that is a path": {"kid": "../../../dev/null"},
    "a key id that is SQL": {"kid": "' UNION SELECT 1 --"},
    "a key id that is no text": {"kid": 1},
    "a null key id": {"kid": None},
    "a list of key ids": {"kid": ["a"]},
    "an unknown critical extension": {"crit": ["exp2"], "exp2": 1},
    "an empty critical list": {"crit": []},
    "a key of their own": {"jwk": {"kty": "EC", "crv": "P-256", "x": "", "y": ""}},
    "a key set elsewhere": {"jku": "https://attacker.example/jwks.json"},
    "a certificate elsewhere": {"x5u": "https://attacker.example/cert.pem"},
    "a certificate of their own": {"x5c": ["MIIB"]},
    "an unencoded payload": {"b64": False, "crit": ["b64"]},
    "compression": {"zip": "DEF"},
    "a content type": {"cty": "JWT"},
}


@pytest.mark.parametrize("changes", HEADERS.values(), ids=HEADERS.keys())
def test_the_header_is_exactly_ours(signer, forge, header, payload, changes):
    changed = {name: value for name, value in {**header, **changes}.items() if value is not ...}

    assert refuses(signer, forge(changed, payload))


CLAIMS = {
    "no end": {"exp": ...},
    "no audience": {"aud": ...},
    "no issuer": {"iss": ...},
    "no subject": {"sub": ...},
    "no beginning": {"nbf": ...},
    "no moment of issue": {"iat": ...},
    "no id": {"jti": ...},
    "no purpose": {"purpose": ...},
    "no kind": {"kind": ...},
    "an end as text": {"exp": str(NOW + 600)},
    "an end as a fraction": {"exp": NOW + 600.5},
    "an end in the very far future": {"exp": 2**53 - 1},
    "an end that is true": {"exp": True},
    "an end that is null": {"exp": None},
    "a negative end": {"exp": -1},
    "a list of ends": {"exp": [NOW + 600]},
    "an end that is now": {"exp": NOW, "iat": NOW - 600, "nbf": NOW - 600},
    "an end that was": {"exp": NOW - 1, "iat": NOW - 600, "nbf": NOW - 600},
    "too long a life": {"exp": NOW + 601},
    "a life that ends before it begins": {"iat": NOW + 2, "exp": NOW + 1},
    "a beginning in the future": {"nbf": NOW + 6},
    "issued in the future": {"iat": NOW + 6, "exp": NOW + 500},
    "another issuer": {"iss": "https://attacker.example"},
    "an issuer with a slash more": {"iss": "https://shop.example/"},
    "another audience": {"aud": "urn:privity:token-exchange"},
    "several audiences": {"aud": [AUDIENCE, "other"]},
    "a subject of another kind": {"sub": "anna@shop.example"},
    "a subject with a newline": {"sub": f"{SUBJECT}\n"},
    "an empty id": {"jti": ""},
    "a purpose in capitals": {"purpose": "SELF_SERVICE"},
    "a purpose that looks like one": {"purpose": "self_servicе"},
    "a list of purposes": {"purpose": ["self_service"]},
    "an unknown kind": {"kind": "admin"},
    "a kind with a newline": {"kind": "customer\n"},
    "a member nobody knows": {"admin": True},
    "work somewhere else": {"work": "../order"},
    "no categories at all": {"categories": []},
    "categories as text": {"categories": "user.name"},
}


@pytest.mark.parametrize("changes", CLAIMS.values(), ids=CLAIMS.keys())
def test_every_claim_is_there_and_is_what_it_should_be(signer, forge, header, payload, changes):
    changed = {name: value for name, value in {**payload, **changes}.items() if value is not ...}

    assert refuses(signer, forge(header, changed))


def test_clocks_may_differ_by_five_seconds_towards_the_future_only(signer):
    early = signer.sign(claims(iat=NOW + 5, nbf=NOW + 5, exp=NOW + 600))

    assert signer.verify(early, audience=AUDIENCE, now=NOW)
    assert refuses(signer, early, now=NOW - 1)
    assert refuses(signer, early, now=NOW + 600)


def test_duplicate_claims_are_refused(signer, forge, header, payload):
    text = json.dumps(payload)
    twice = text[:-1] + f', "sub": "{ids.mint("cus")}"}}'

    assert refuses(signer, forge(header, twice))
    escaped = text[:-1] + f', "s\\u0075b": "{ids.mint("cus")}"}}'
    assert refuses(signer, forge(header, escaped))


def test_duplicate_header_members_are_refused(signer, forge, header, payload):
    assert refuses(signer, forge(json.dumps(header)[:-1] + ', "alg": "ES256"}', payload))


@pytest.mark.parametrize(
    "text",
    ['{"exp": NaN}', '{"exp": 1e999}', "[]", '"text"', "null", "", "{", "\ufeff{}", "{} {}"],
)
def test_a_payload_that_is_not_one_strict_object_is_refused(signer, forge, header, text):
    assert refuses(signer, forge(header, text or b" "))


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(signer, payload):
    public = signer._verifying[signer.kid].to_pem()
    head = encode({"alg": "HS256", "typ": "at+jwt", "kid": signer.kid})
    signed = f"{head}.{encode(payload)}"
    mac = hmac.new(public, signed.encode(), hashlib.sha256).digest()

    assert refuses(signer, f"{signed}.{encode(mac)}")


def test_a_token_without_a_signature_is_refused(signer, header, payload):
    for head in (header, {**header, "alg": "none"}):
        assert refuses(signer, f"{encode(head)}.{encode(payload)}.")
        assert refuses(signer, f"{encode(head)}.{encode(payload)}")


def test_signatures_of_the_wrong_length_or_of_nothing_are_refused(signer, forge, header, payload):
    head, body, signature = forge(header, payload).split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")

    for wrong in (raw[:-1], raw + b"\0", b"\0" * 64, utils.encode_dss_signature(r, s)):
        assert refuses(signer, f"{head}.{body}.{encode(wrong)}")
    for one, other in ((0, s), (r, 0), (ORDER, s), (r + ORDER, s), (r, r)):
        if one < 2**256:
            pair = one.to_bytes(32, "big") + other.to_bytes(32, "big")
            assert refuses(signer, f"{head}.{body}.{encode(pair)}")


def test_a_foreign_key_with_our_key_id_is_refused(signer, new_pem, payload):
    stranger = TokenSigner(new_pem(), kid=signer.kid, issuer=signer.issuer)

    assert refuses(signer, stranger.sign(payload))


def test_one_changed_character_anywhere_is_refused(signer):
    token = signer.sign(claims())

    for at in range(0, len(token), 7):
        other = "A" if token[at] != "A" else "B"
        assert refuses(signer, token[:at] + other + token[at + 1 :])


def test_stray_bits_at_the_end_are_refused(signer):
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = signer.sign(claims())
    last = alphabet.index(token[-1])  # 64 bytes: the last character holds two bits of four
    assert last % 16 == 0

    for stray in range(1, 16):
        twin = token[:-1] + alphabet[last + stray]
        assert base64.urlsafe_b64decode(twin.rpartition(".")[2] + "==")  # the same bytes
        assert refuses(signer, twin)


def test_other_spellings_of_a_token_are_refused(signer):
    token = signer.sign(claims())
    head, body, signature = token.split(".")

    for spelled in (
        f" {token}",
        f"{token} ",
        f"{token}\n",
        f"{token}=",
        f"{token}==",
        f"{head}.{body}.{signature[:40]}\n{signature[40:]}",
        f"{head}.{body}.{signature.replace('-', '+').replace('_', '/')}+",
        f"{head}..{signature}",
        f".{body}.{signature}",
        f"{token}.",
        f"{token}.{signature}",
        f"{head}.{body}",
        "",
        ".",
        "..",
        "\0",
        "tokén..",
    ):
        assert refuses(signer, spelled)


def test_a_token_within_a_token_is_refused(signer, forge, header):
    assert refuses(signer, forge({**header, "cty": "JWT"}, signer.sign(claims())))
    assert refuses(signer, forge(header, signer.sign(claims())))


def test_an_encrypted_token_of_five_parts_is_refused(signer):
    assert refuses(signer, "a.b.c.d.e")


def test_a_very_long_token_is_refused_before_it_is_read(signer, forge, header, payload):
    assert refuses(signer, forge(header, payload | {"purpose": "a" * 5000}))
    assert refuses(signer, "." * 1_000_000)
    assert refuses(signer, ("A" * 2_000_000) + ".B.C")


def test_deep_or_many_membered_payloads_are_refused(signer, forge, header):
    assert refuses(signer, forge(header, "[" * 900 + "]" * 900))
    assert refuses(signer, forge(header, '{"a":' * 100 + "1" + "}" * 100))


def test_what_we_refuse_is_what_the_library_alone_would_take(signer, forge, header, payload):
    """Each of these fails here for the reason it is listed for, and not for its signature."""
    public = signer._verifying[signer.kid].to_pem().decode()
    without_end = {name: value for name, value in payload.items() if name not in {"exp", "aud"}}
    twice = json.dumps(payload)[:-1] + f', "sub": "{ids.mint("cus")}"}}'
    critical = {**header, "crit": ["nobody-knows"]}

    for token in (forge(header, without_end), forge(critical, payload), forge(header, twice)):
        options = {"verify_aud": False, "verify_nbf": False}  # a date in the future, in this test
        assert naive.decode(token, public, algorithms=["ES256"], options=options)
        assert refuses(signer, token)


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1()])
def test_a_key_on_another_curve_stops_the_start(new_pem, curve):
    with pytest.raises(ValueError, match=r"P-256|not an EC key"):
        TokenSigner(new_pem(curve), issuer="https://shop.example")


@pytest.mark.parametrize("pem", ["", "not a key", "-----BEGIN PUBLIC KEY-----\n-----END-----"])
def test_something_that_is_no_key_stops_the_start_without_being_repeated(pem):
    with pytest.raises(ValueError, match="not an EC key in PEM"):
        TokenSigner(pem, issuer="https://shop.example")


def test_a_public_key_cannot_become_a_signer(signer):
    public = signer._verifying[signer.kid].to_pem().decode()

    with pytest.raises(ValueError, match="no private part"):
        TokenSigner(public, issuer="https://shop.example")


def test_keys_are_exchanged_while_both_are_good(new_pem):
    old_pem, new = new_pem(), new_pem()
    old = TokenSigner(old_pem, issuer="https://shop.example")
    token = old.sign(claims())
    during = TokenSigner(new, issuer="https://shop.example", also_verify=[old_pem])
    after = TokenSigner(new, issuer="https://shop.example")

    assert during.verify(token, audience=AUDIENCE, now=NOW)
    assert after.verify(during.sign(claims()), audience=AUDIENCE, now=NOW)
    assert refuses(after, token)
    assert {key["kid"] for key in during.jwks()["keys"]} == {old.kid, during.kid}


def test_the_published_keys_verify_and_hold_nothing_private(signer, key_pem):
    (published,) = signer.jwks()["keys"]

    assert set(published) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert published["kid"] == signer.kid == thumbprint(key_pem)
    key = jwk.construct(published, "ES256")
    assert jws.verify(signer.sign(claims()), key, ["ES256"])
