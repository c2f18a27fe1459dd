"""Verifying what an identity provider says of somebody (OpenID Connect Core, section 3.1.3.7).

There is no nonce to hold it against: the token comes over the exchange, from whoever signed in, and
not through a browser's redirect to us. It counts for eight hours at the most, whatever it says.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError

from privacy_gateway.clients.destinations import Destinations
from privacy_gateway.clients.endpoints import AllowedAddresses
from privacy_gateway.clients.identity_provider import IdentityProvider
from privacy_gateway.domain.tokens import jose
from privacy_gateway.domain.tokens.jose import LONGEST_LIFETIME, InvalidToken
from privacy_gateway.domain.tokens.provider_keys import ProviderKeys

ALGORITHMS: Final = frozenset({"RS256", "ES256"})
LONGEST: Final = 16 * 1024
CLOCKS_APART: Final = 30
MOST_GROUPS: Final = 1000

_SUBJECT: Final = re.compile(r"[!-{}~]{1,255}")  # printable, and no `|`: that parts it from whose
_LATEST: Final = 2**40


@dataclass(frozen=True, slots=True)
class IdToken:
    subject: str
    issued_at: int
    expires_at: int
    groups: frozenset[str]


class IdTokens:
    def __init__(
        self, keys: ProviderKeys, *, issuer: str, audience: str, groups_claim: str
    ) -> None:
        """`audience` is what the provider calls us: our client id there."""
        self._keys = keys
        self.issuer = issuer
        self._audience = audience
        self._groups_claim = groups_claim

    @classmethod
    def at(
        cls, issuer: str, *, audience: str, groups_claim: str, allowed: AllowedAddresses
    ) -> "IdTokens":
        """Raises UnsafeEndpoint for an issuer that nothing could be fetched from."""
        provider = IdentityProvider(issuer, Destinations(allowed=allowed))
        keys = ProviderKeys(provider)
        return cls(keys, issuer=issuer, audience=audience, groups_claim=groups_claim)

    async def verify(self, untrusted_token: str, *, now: float) -> IdToken:
        """Raises InvalidToken, never saying which check it was, and ProviderUnavailable."""
        token = untrusted_token.encode()
        header, payload, _ = jose.parts(token, longest=LONGEST)
        await self._check_signature(token, header)
        return self._claims(jose.members(payload), now=now)

    async def _check_signature(self, token: bytes, header: Mapping[str, Any]) -> None:
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(kid, str) or not isinstance(algorithm, str):
            raise InvalidToken
        if algorithm not in ALGORITHMS or header.get("typ", "JWT") != "JWT":
            raise InvalidToken
        if not header.keys().isdisjoint({"crit", "b64", "zip", "enc"}):
            raise InvalidToken
        key = await self._keys.find(kid, algorithm)
        if key is None:
            raise InvalidToken
        try:
            jws.deserialize_compact(token, key, algorithms=[algorithm])
        except (JoseError, ValueError):
            raise InvalidToken from None

    def _claims(self, claims: Mapping[str, Any], *, now: float) -> IdToken:
        if claims.get("iss") != self.issuer or not self._is_for_us(claims):
            raise InvalidToken
        exp, iat = _moment(claims.get("exp")), _moment(claims.get("iat"))
        nbf = _moment(claims.get("nbf", iat))
        oldest = now - LONGEST_LIFETIME["staff_identity"]
        if exp <= now or iat < oldest or max(iat, nbf) > now + CLOCKS_APART:
            raise InvalidToken
        subject = claims.get("sub")
        if not isinstance(subject, str) or _SUBJECT.fullmatch(subject) is None:
            raise InvalidToken
        return IdToken(subject, iat, exp, self._groups(claims))

    def _is_for_us(self, claims: Mapping[str, Any]) -> bool:
        audience, party = claims.get("aud"), claims.get("azp")
        if party is not None and party != self._audience:
            return False
        if isinstance(audience, list):
            return self._audience in audience and (len(audience) == 1 or party is not None)
        return bool(audience == self._audience)

    def _groups(self, claims: Mapping[str, Any]) -> frozenset[str]:
        listed = claims.get(self._groups_claim, [])
        if not isinstance(listed, list) or len(listed) > MOST_GROUPS:
            raise InvalidToken
        if not all(isinstance(group, str) for group in listed):
            raise InvalidToken
        return frozenset(listed)


def _moment(value: object) -> int:
    if type(value) not in {int, float} or not 0 < value < _LATEST:  # type: ignore[operator]
        raise InvalidToken
    return int(value)  # type: ignore[call-overload, no-any-return]
