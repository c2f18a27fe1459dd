"""Whether a token is still good and what for (RFC 7662), for the shop's services and its holder.

A token that is not good, and one that is none of the asker's business, are answered alike.
"""

from collections.abc import Callable
from typing import Any

from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.tokens import minting, yielding
from privacy_gateway.domain.tokens.asked import DETAIL
from privacy_gateway.domain.tokens.caller import Caller
from privacy_gateway.domain.tokens.jose import Claims, InvalidToken, TokenSigner
from privacy_gateway.domain.tokens.revocation import Revocations

INACTIVE: dict[str, Any] = {"active": False}


class Introspection:
    def __init__(
        self, signer: TokenSigner, revocations: Revocations, *, policy: Callable[[], Policy]
    ) -> None:
        self._signer = signer
        self._revocations = revocations
        self._policy = policy

    def of(self, untrusted_token: str, *, asker: Caller, now: float) -> dict[str, Any]:
        """Raises RevocationsUnknown while it cannot be known whether the token still counts."""
        self._revocations.require_fresh()
        claims = self._verified(untrusted_token, now=now)
        if claims is None or self._revocations.covers(claims):
            return INACTIVE
        if asker.kind != "service" and asker.actor != claims.subject:
            return INACTIVE
        return self._said(claims)

    def _verified(self, untrusted_token: str, *, now: float) -> Claims | None:
        for audience in (minting.ACCESS, minting.EXCHANGE):
            try:
                return self._signer.verify(untrusted_token, audience=audience, now=now)
            except InvalidToken:
                continue
        return None

    def _said(self, claims: Claims) -> dict[str, Any]:
        said: dict[str, Any] = {
            "active": True,
            "token_type": "Bearer",
            "iss": claims.issuer,
            "aud": claims.audience,
            "sub": claims.subject,
            "jti": claims.token_id,
            "iat": claims.issued_at,
            "exp": claims.expires_at,
        }
        if claims.kind == "staff" and claims.role is not None:
            policy = self._policy()
            yields = yielding.of(policy, claims.role, claims.purpose, only=claims.categories)
            detail = {
                "type": DETAIL,
                "purpose": claims.purpose,
                "work": claims.work,
                "role": claims.role,
                "policy": policy.version,
                "yields": yields,
            }
            said["authorization_details"] = [detail]
        return said
