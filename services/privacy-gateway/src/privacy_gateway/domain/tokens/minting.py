"""Issuing tokens: what each kind of token says and how long it lasts."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from privacy_gateway.domain.tokens.jose import TokenSigner
from privity_contracts import ids

ACCESS = "urn:privity:api"
EXCHANGE = "urn:privity:token-exchange"
"""An identity token opens nothing but the exchange: its audience is another."""

CUSTOMER_SECONDS = 600
GRANT_SECONDS = 600
IDENTITY_SECONDS = 8 * 3600
NO_PURPOSE = "none"


@dataclass(frozen=True, slots=True)
class Minted:
    token: str
    token_id: str
    expires_in: int


def customer_token(signer: TokenSigner, *, account: str, session: str, now: float) -> Minted:
    """The access token that goes with a session of the customers service."""
    claims = {"sub": account, "sid": session, "kind": "customer", "purpose": "self_service"}
    return _mint(signer, claims, audience=ACCESS, seconds=CUSTOMER_SECONDS, now=now)


def identity_token(signer: TokenSigner, *, staff: str, session: str, now: float) -> Minted:
    """Says who a staff member is; it has no purpose, so it reads nothing."""
    claims = {"sub": staff, "sid": session, "kind": "staff_identity", "purpose": NO_PURPOSE}
    return _mint(signer, claims, audience=EXCHANGE, seconds=IDENTITY_SECONDS, now=now)


def grant_token(
    signer: TokenSigner,
    *,
    staff: str,
    session: str,
    role: str,
    purpose: str,
    work: str,
    work_subject: str | None,
    work_scopes: Collection[str] | None,
    categories: Collection[str] | None,
    now: float,
    seconds: int = GRANT_SECONDS,
) -> Minted:
    """Bound to one purpose and one piece of work; ends with the sign-in that it came from."""
    claims: dict[str, object] = {
        "sub": staff,
        "sid": session,
        "kind": "staff",
        "role": role,
        "purpose": purpose,
        "work": work,
    }
    if work_subject is not None:
        claims["work_subject"] = work_subject
    if work_scopes is not None:
        claims["work_scopes"] = sorted(work_scopes)
    if categories is not None:
        claims["categories"] = sorted(categories)
    return _mint(signer, claims, audience=ACCESS, seconds=seconds, now=now)


def _mint(
    signer: TokenSigner, claims: Mapping[str, object], *, audience: str, seconds: int, now: float
) -> Minted:
    issued, token_id = int(now), ids.mint("tok")
    token = signer.sign(
        {
            **claims,
            "aud": audience,
            "iat": issued,
            "nbf": issued,
            "exp": issued + seconds,
            "jti": token_id,
        }
    )
    return Minted(token, token_id, seconds)
