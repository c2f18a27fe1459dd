"""The one place that signs and verifies tokens: ES256, and nothing that can be chosen.

python-jose does the elliptic curve and no more. Used as it comes it accepts tokens without `exp`
or `aud`, unknown critical headers, duplicate members and several spellings of one token. So all of
that is decided here, before it is asked: one algorithm, one type, known keys, a closed list of
members, one spelling for each token.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jose import jwk, jws
from jose.backends import ECKey
from jose.exceptions import JOSEError

from privacy_gateway.domain.intake import strict_json
from privity_rest import Malformed, Unauthenticated

ALGORITHM = "ES256"
TYPE = "at+jwt"  # RFC 9068
MAX_TOKEN_BYTES = 4096
LEEWAY_SECONDS = 5  # for clocks that run behind the one that issued; an expired token is expired
LONGEST_LIFETIME = {"customer": 600, "staff": 3600, "staff_identity": 8 * 3600}

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256
_SEGMENT = re.compile(rb"[A-Za-z0-9_-]+")
_TEXT = {
    "iss": re.compile(r"[!-~]{1,200}"),
    "aud": re.compile(r"[!-~]{1,200}"),
    "sub": re.compile(r"[a-z]{3}_[0-9a-hjkmnp-tv-z]{26}"),
    "jti": re.compile(r"[A-Za-z0-9_-]{16,64}"),
    "purpose": re.compile(r"[a-z][a-z0-9_]{1,39}"),
    "kind": re.compile("|".join(LONGEST_LIFETIME)),
    "role": re.compile(r"[a-z][a-z0-9_]{1,39}"),
    "work": re.compile(r"[a-z]{1,16}(?:-[a-z]{1,16})?(?:/[a-z0-9][a-z0-9_-]{0,63})?"),
    "work_subject": re.compile(r"cus_[0-9a-hjkmnp-tv-z]{26}"),
    "sid": re.compile(r"ses_[0-9a-hjkmnp-tv-z]{26}"),
}
_TIMES = ("exp", "iat", "nbf")
_REQUIRED = frozenset({"iss", "aud", "sub", "jti", "purpose", "kind", *_TIMES})
_LISTS = {
    "categories": re.compile(r"[a-z][a-z_]*(?:\.[a-z][a-z_]*){0,7}"),
    "work_scopes": re.compile(r"[a-z]{1,16}/(?:\*|[a-z]{3}_[0-9a-hjkmnp-tv-z]{26})"),
}
_ALLOWED = _REQUIRED | {"role", "work", "work_subject", "sid"} | _LISTS.keys()
_LATEST = 2**40


class InvalidToken(Unauthenticated):
    code = "invalid_token"
    title = "The token is not valid"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says."""

    issuer: str
    audience: str
    subject: str
    token_id: str
    purpose: str
    kind: str
    expires_at: int
    issued_at: int
    role: str | None = None
    work: str | None = None
    session: str | None = None
    categories: frozenset[str] | None = None
    """Fewer than the purpose would yield, when the holder asked for fewer."""
    work_subject: str | None = None
    work_scopes: frozenset[str] | None = None


class TokenSigner:
    """Signs with one key, verifies with that one and those that came before or come next."""

    def __init__(
        self,
        key_pem: str,
        kid: str | None = None,
        *,
        issuer: str,
        also_verify: Iterable[str] = (),
    ) -> None:
        """`also_verify` are keys (private or public) of an ongoing rotation.

        A key's id is its thumbprint (RFC 7638) unless named. Raises ValueError for a key of
        another kind or curve.
        """
        self._key = _key(key_pem)
        if self._key.is_public():
            raise ValueError("the signing key has no private part")
        self.kid = kid or thumbprint(key_pem)
        self.issuer = issuer
        self._verifying = {thumbprint(pem): _key(pem).public_key() for pem in also_verify}
        self._verifying[self.kid] = self._key.public_key()
        self.generation = 0
        """Grows when keys change, so that what was checked before is checked again."""

    def use_keys(self, pems: Sequence[bytes]) -> None:
        """Signs with the first, verifies with all."""
        key_pem, *others = (pem.decode() for pem in pems)
        changed = TokenSigner(key_pem, issuer=self.issuer, also_verify=others)
        if changed._verifying.keys() != self._verifying.keys() or changed.kid != self.kid:
            self.generation += 1
        self._key, self.kid = changed._key, changed.kid
        self._verifying = changed._verifying

    def sign(self, claims: Mapping[str, object]) -> str:
        """The claims as given; `iss` is this signer's own."""
        payload = json.dumps({**claims, "iss": self.issuer}, separators=(",", ":")).encode()
        header = {"typ": TYPE, "kid": self.kid}
        token: str = jws.sign(payload, self._key, headers=header, algorithm=ALGORITHM)
        return _with_low_s(token)

    def verify(self, untrusted_token: str | bytes, *, audience: str, now: float) -> Claims:
        """Raises InvalidToken, and never says which check it was: the log line has the same."""
        token = untrusted_token.encode() if isinstance(untrusted_token, str) else untrusted_token
        header, payload, signature = parts(token)
        self._check_signature(token, header, signature)
        return self._claims(members(payload), audience=audience, now=now)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys (RFC 7517), for whoever wants to check a token of ours."""
        return {
            "keys": [
                {**_public_members(key), "kid": kid, "use": "sig", "alg": ALGORITHM}
                for kid, key in self._verifying.items()
            ]
        }

    def _check_signature(self, token: bytes, header: dict[str, Any], signature: bytes) -> None:
        # Equality, not membership: no member more (`crit`, `jku`, `jwk`, `x5c`, `b64`, `zip`).
        kid = header.get("kid")
        if header != {"alg": ALGORITHM, "typ": TYPE, "kid": kid} or not isinstance(kid, str):
            raise InvalidToken
        key = self._verifying.get(kid)
        if key is None or len(signature) != 64:
            raise InvalidToken
        if int.from_bytes(signature[32:], "big") > _ORDER // 2:
            raise InvalidToken  # the other of the two signatures that each token would have
        try:
            jws.verify(token, key, algorithms=[ALGORITHM])
        except JOSEError:
            raise InvalidToken from None

    def _claims(self, claims: dict[str, Any], *, audience: str, now: float) -> Claims:
        names = claims.keys()
        if not names >= _REQUIRED or not names <= _ALLOWED or not _well_typed(claims):
            raise InvalidToken
        if claims["iss"] != self.issuer or claims["aud"] != audience:
            raise InvalidToken
        exp, iat, nbf = (claims[name] for name in _TIMES)
        if not iat < exp <= iat + LONGEST_LIFETIME[claims["kind"]]:
            raise InvalidToken
        if exp <= now or max(iat, nbf) > now + LEEWAY_SECONDS:
            raise InvalidToken
        return Claims(
            issuer=claims["iss"],
            audience=claims["aud"],
            subject=claims["sub"],
            token_id=claims["jti"],
            purpose=claims["purpose"],
            kind=claims["kind"],
            expires_at=exp,
            issued_at=iat,
            role=claims.get("role"),
            work=claims.get("work"),
            session=claims.get("sid"),
            categories=_set(claims.get("categories")),
            work_subject=claims.get("work_subject"),
            work_scopes=_set(claims.get("work_scopes")),
        )


def thumbprint(pem: str) -> str:
    """RFC 7638 of the public key."""
    members = json.dumps(_public_members(_key(pem)), sort_keys=True, separators=(",", ":"))
    return _encode(hashlib.sha256(members.encode()).digest()).decode()


def _key(pem: str) -> ECKey:
    try:
        key = jwk.construct(pem, ALGORITHM)
    except JOSEError:
        raise ValueError("the token key is not an EC key in PEM") from None
    # The library takes any curve for ES256, and falls back to a slow backend of its own.
    if type(key).__name__ != "CryptographyECKey" or key.prepared_key.curve.name != "secp256r1":
        raise ValueError("the token key is not on P-256")
    return key


def _public_members(key: ECKey) -> dict[str, str]:
    members = key.public_key().to_dict()
    return {name: _text(members[name]) for name in ("crv", "kty", "x", "y")}


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def parts(token: bytes, *, longest: int = MAX_TOKEN_BYTES) -> tuple[dict[str, Any], bytes, bytes]:
    """Header, payload and signature of a compact token. Raises InvalidToken."""
    segments = token.split(b".")
    if len(token) > longest or len(segments) != 3:
        raise InvalidToken
    header, payload, signature = map(_decode, segments)
    return members(header), payload, signature


def members(raw: bytes) -> dict[str, Any]:
    """An object in which no member stands twice. Raises InvalidToken."""
    try:
        return strict_json.parse_object(raw)
    except Malformed:
        raise InvalidToken from None


def _decode(segment: bytes) -> bytes:
    """Base64url in its one spelling: no padding, no white space, no stray bits at the end."""
    if _SEGMENT.fullmatch(segment) is None or len(segment) % 4 == 1:
        raise InvalidToken
    raw = base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
    if _encode(raw) != segment:
        raise InvalidToken
    return raw


def _encode(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _well_typed(claims: dict[str, Any]) -> bool:
    for name, value in claims.items():
        if name in _TIMES:
            fits = type(value) is int and 0 < value < _LATEST
        elif name in _LISTS:
            fits = _fits_list(value, _LISTS[name])
        else:
            fits = type(value) is str and _TEXT[name].fullmatch(value) is not None
        if not fits:
            return False
    return True


def _fits_list(value: object, pattern: re.Pattern[str]) -> bool:
    return (
        type(value) is list
        and 0 < len(value) <= 64
        and all(type(name) is str and pattern.fullmatch(name) for name in value)
    )


def _set(names: list[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _with_low_s(token: str) -> str:
    """(r, s) and (r, order - s) both verify; ours is the one with the smaller s."""
    signed, _, encoded = token.rpartition(".")
    raw = _decode(encoded.encode())
    s = int.from_bytes(raw[32:], "big")
    if s <= _ORDER // 2:
        return token
    return f"{signed}.{_encode(raw[:32] + (_ORDER - s).to_bytes(32, 'big')).decode()}"
