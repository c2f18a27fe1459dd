"""From "who I am" to "what I am doing": a grant for one purpose and one piece of work.

OAuth 2.0 token exchange (RFC 8693); purpose and work come as authorization details (RFC 9396). The
grant, like each refusal, is recorded before it is answered.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from privacy_gateway.domain.audit.access import Access, Decision, Kind
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.intake import strict_json
from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.staff import directory
from privacy_gateway.domain.tokens import minting
from privacy_gateway.domain.tokens.jose import Claims, InvalidToken, TokenSigner
from privacy_gateway.domain.tokens.revocation import Revocations
from privacy_gateway.models import StaffMember
from privity_contracts import ids
from privity_database import Database
from privity_rest import Malformed, Refusal

SERVICE = "privacy-gateway"
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  # a name
JWT = "urn:ietf:params:oauth:token-type:jwt"
DETAIL = "privity_access"

_PARAMETERS = frozenset(
    {
        "grant_type",
        "subject_token",
        "subject_token_type",
        "requested_token_type",
        "authorization_details",
    }
)
_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")
_WORK = re.compile(r"site/[a-z0-9][a-z0-9-]{0,31}|order/ord_[0-9a-hjkmnp-tv-z]{26}")
_CATEGORY = re.compile(r"[a-z][a-z_]*(?:\.[a-z][a-z_]*){0,7}")


class OAuthRefusal(Refusal):
    """`code` is OAuth's own (RFC 6749 section 5.2); `detail` is one of our codes."""


class InvalidRequest(OAuthRefusal):
    code = "invalid_request"


class UnsupportedGrantType(OAuthRefusal):
    code = "unsupported_grant_type"


class InvalidDetails(OAuthRefusal):
    code = "invalid_authorization_details"


class AccessDenied(OAuthRefusal):
    code = "access_denied"


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants a grant for."""

    purpose: str
    work: str
    role: str | None
    categories: frozenset[str] | None


class TokenExchange:
    def __init__(
        self,
        *,
        signer: TokenSigner,
        revocations: Revocations,
        database: Database,
        audit: AuditLog,
        policy: Callable[[], Policy],
    ) -> None:
        """`policy` gives the version in force."""
        self._signer = signer
        self._revocations = revocations
        self._database = database
        self._audit = audit
        self._policy = policy

    async def exchange(
        self, form: Mapping[str, str], *, request_id: str, now: float
    ) -> dict[str, Any]:
        """The answer of RFC 8693, section 2.2.1; raises OAuthRefusal."""
        _check_parameters(form)
        identity = self._identity(form["subject_token"], now=now)
        asked = _asked(form["authorization_details"])
        async with self._database.transaction() as tx:
            member = await directory.find(tx, identity.subject)
        policy = self._policy()
        role, reason = _decide(policy, member, asked)
        record = _record_of(
            policy, identity, asked, role=role, reason=reason, request_id=request_id
        )
        await self._audit.record([record])
        if reason is not None:
            raise AccessDenied(reason)
        yields = _yields(policy, role, asked)
        minted = minting.grant_token(
            self._signer,
            staff=identity.subject,
            session=identity.session or "",
            role=role,
            purpose=asked.purpose,
            work=asked.work,
            categories=asked.categories,
            now=now,
        )
        detail = {"type": DETAIL, "purpose": asked.purpose, "work": asked.work, "role": role}
        return {
            "access_token": minted.token,
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": minted.expires_in,
            "authorization_details": [{**detail, "policy": policy.version, "yields": yields}],
        }

    async def revoke(self, untrusted_token: str, *, now: float) -> None:
        """RFC 7009. Whoever holds a token may end it; what is no token of ours is ended already.

        Ending an identity token ends every grant that came from it.
        """
        for audience in (minting.ACCESS, minting.EXCHANGE):
            try:
                claims = self._signer.verify(untrusted_token, audience=audience, now=now)
            except InvalidToken:
                continue
            if claims.kind == "staff_identity" and claims.session is not None:
                await self._revocations.revoke("session", claims.session, now=now)
            await self._revocations.revoke("token", claims.token_id, now=now)

    def _identity(self, untrusted_token: str, *, now: float) -> Claims:
        self._revocations.require_fresh()
        try:
            claims = self._signer.verify(untrusted_token, audience=minting.EXCHANGE, now=now)
        except InvalidToken:
            raise InvalidRequest("subject_token") from None
        fits = claims.kind == "staff_identity" and ids.is_id(claims.subject, "stf")
        if not fits or claims.session is None or self._revocations.covers(claims):
            raise InvalidRequest("subject_token")
        return claims


def _record_of(
    policy: Policy,
    identity: Claims,
    asked: Asked,
    *,
    role: str,
    reason: str | None,
    request_id: str,
) -> Access:
    # A purpose that the policy does not know is whatever somebody typed.
    purpose = asked.purpose if asked.purpose in policy.file.purposes else "unknown"
    kind: Kind = "grant" if reason is None else "refusal"
    decision: Decision = "allow" if reason is None else "refuse"
    return Access(
        kind=kind,
        subject=None,
        actor=identity.subject,
        actor_kind="staff",
        role=role,
        purpose=purpose,
        clauses=policy.clauses(purpose),
        policy=policy.version,
        work=asked.work,
        service=SERVICE,
        scope=None,
        resource="token",
        decision=decision,
        reason=reason,
        request_id=request_id,
    )


def _check_parameters(form: Mapping[str, str]) -> None:
    # The standard says to ignore what is unknown; a `scope` that narrows would then be ignored too.
    if not form.keys() <= _PARAMETERS:
        raise InvalidRequest("unknown_parameter")
    if form.get("grant_type") != GRANT_TYPE:
        raise UnsupportedGrantType("token_exchange_only")
    if form.get("subject_token_type") not in {ACCESS_TOKEN, JWT} or "subject_token" not in form:
        raise InvalidRequest("subject_token")
    if form.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
        raise InvalidRequest("requested_token_type")
    if "authorization_details" not in form:
        raise InvalidDetails("required")


def _asked(text: str) -> Asked:
    """Exactly one detail; several would make a grant that is bound to nothing in particular."""
    try:
        details = strict_json.parse(text.encode(), max_bytes=8192)
    except Malformed:
        raise InvalidDetails("malformed_json") from None
    if not isinstance(details, list) or len(details) != 1 or not isinstance(details[0], dict):
        raise InvalidDetails("one_detail")
    detail = details[0]
    if (
        not {"type", "purpose", "work"}
        <= detail.keys()
        <= {
            "type",
            "purpose",
            "work",
            "role",
            "categories",
        }
    ):
        raise InvalidDetails("members")
    if detail["type"] != DETAIL:
        raise InvalidDetails("type")
    for member, pattern in (("purpose", _NAME), ("work", _WORK), ("role", _NAME)):
        value = detail.get(member, "absent")
        if not isinstance(value, str) or (member in detail and not pattern.fullmatch(value)):
            raise InvalidDetails(member)
    categories = _categories(detail["categories"]) if "categories" in detail else None
    return Asked(detail["purpose"], detail["work"], detail.get("role"), categories)


def _categories(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not 0 < len(value) <= 64:
        raise InvalidDetails("categories")
    if not all(isinstance(name, str) and _CATEGORY.fullmatch(name) for name in value):
        raise InvalidDetails("categories")
    return frozenset(value)


def _decide(policy: Policy, member: StaffMember | None, asked: Asked) -> tuple[str, str | None]:
    """The role in which it is granted, and why not if it is not."""
    if member is None or not member.active:
        return "none", "not_active"
    roles = [role for role in member.roles if asked.role in {None, role}]
    role = next((r for r in roles if policy.may(r, asked.purpose)), None)
    if role is None or policy.kind_of(role) != "staff":
        return roles[0] if roles else "none", "purpose_not_allowed"
    kind, _, name = asked.work.partition("/")
    if kind == "site" and name not in member.sites:
        return role, "work_not_yours"
    if asked.categories is not None:
        table = policy.preview(role, asked.purpose)
        if not asked.categories <= {*table["reveal"], *table["mask"]}:
            return role, "categories_not_allowed"
    return role, None


def _yields(policy: Policy, role: str, asked: Asked) -> dict[str, list[str]]:
    """What the grant will reveal, mask and withhold, said beforehand."""
    preview = policy.preview(role, asked.purpose)
    if asked.categories is None:
        return preview
    kept = asked.categories
    given = {way: [c for c in preview[way] if c in kept] for way in ("reveal", "mask")}
    left_out = [c for way in ("reveal", "mask") for c in preview[way] if c not in kept]
    return {**given, "withhold": sorted([*preview["withhold"], *left_out])}
