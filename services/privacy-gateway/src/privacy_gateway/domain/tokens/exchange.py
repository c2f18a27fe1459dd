"""From "who I am" to "what I am doing": a grant for one purpose and one piece of work.

OAuth 2.0 token exchange (RFC 8693); purpose and work come as authorization details (RFC 9396). The
grant, like each refusal, is recorded before it is answered.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from privacy_gateway.domain.audit.access import Access, Decision, Kind
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.budget.spending import Budgets
from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.staff import directory
from privacy_gateway.domain.tokens import asked as asking
from privacy_gateway.domain.tokens import minting, yielding
from privacy_gateway.domain.tokens.asked import AccessDenied, Asked, InvalidRequest
from privacy_gateway.domain.tokens.jose import Claims, InvalidToken, TokenSigner
from privacy_gateway.domain.tokens.revocation import Revocations
from privacy_gateway.domain.work import ANYTHING, NotTheirWork, Work, WorkBinding
from privacy_gateway.models import StaffMember
from privity_contracts import ids
from privity_database import Database

SERVICE = "privacy-gateway"


class TokenExchange:
    def __init__(
        self,
        *,
        signer: TokenSigner,
        revocations: Revocations,
        database: Database,
        audit: AuditLog,
        policy: Callable[[], Policy],
        work: Work,
        budgets: Budgets,
    ) -> None:
        """`policy` gives the version in force."""
        self._signer = signer
        self._revocations = revocations
        self._database = database
        self._audit = audit
        self._policy = policy
        self._work = work
        self._budgets = budgets

    async def exchange(
        self, form: Mapping[str, str], *, request_id: str, now: float
    ) -> dict[str, Any]:
        """The answer of RFC 8693, section 2.2.1; raises OAuthRefusal."""
        asking.check_parameters(form)
        identity = self._identity(form["subject_token"], now=now)
        asked = asking.read(form["authorization_details"])
        async with self._database.transaction() as tx:
            member = await directory.find(tx, identity.subject)
        policy = self._policy()
        role, reason = _decide(policy, member, asked)
        binding = ANYTHING
        if member is not None and reason is None:
            try:
                binding = await self._work.check(
                    asked.work,
                    member=member,
                    purpose=asked.purpose,
                    request_id=request_id,
                    now=datetime.fromtimestamp(now, UTC),
                )
            except NotTheirWork as refusal:
                reason = refusal.reason
        record = _record_of(
            policy, identity, asked, role=role, reason=reason, request_id=request_id
        )
        await self._audit.record([record])
        if reason is not None:
            raise AccessDenied(reason)
        return await self._granted(policy, identity, asked, role=role, binding=binding, now=now)

    async def _granted(
        self,
        policy: Policy,
        identity: Claims,
        asked: Asked,
        *,
        role: str,
        binding: WorkBinding,
        now: float,
    ) -> dict[str, Any]:
        minted = minting.grant_token(
            self._signer,
            staff=identity.subject,
            session=identity.session or "",
            role=role,
            purpose=asked.purpose,
            work=asked.work,
            work_subject=binding.subject,
            work_scopes=binding.scopes,
            categories=asked.categories,
            # When it was asked for: what ends it may have happened since, and is then later.
            now=now,
        )
        detail = {"type": asking.DETAIL, "purpose": asked.purpose, "work": asked.work, "role": role}
        terms = policy.file.limits.budgets
        budget = await self._budgets.standing(identity.subject, role, terms=terms)
        yields = yielding.of(policy, role, asked.purpose, only=asked.categories)
        return {
            "access_token": minted.token,
            "issued_token_type": asking.ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": minted.expires_in,
            "authorization_details": [
                {
                    **detail,
                    "policy": policy.version,
                    "yields": yields,
                    "budget": {"allowed": budget.allowed, "spent": budget.spent},
                }
            ],
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
        policy_hash=policy.hash,
        work=asked.work,
        service=SERVICE,
        scope=None,
        resource="token",
        decision=decision,
        reason=reason,
        request_id=request_id,
    )


def _decide(policy: Policy, member: StaffMember | None, asked: Asked) -> tuple[str, str | None]:
    """The role in which it is granted, and why not if it is not."""
    if member is None or not member.active:
        return "none", "not_active"
    roles = [role for role in member.roles if asked.role in {None, role}]
    role = next((r for r in roles if policy.may(r, asked.purpose)), None)
    if role is None or policy.kind_of(role) != "staff":
        return roles[0] if roles else "none", "purpose_not_allowed"
    given = yielding.given(policy, role, asked.purpose)
    if asked.categories is not None and not asked.categories <= given:
        return role, "categories_not_allowed"
    return role, None
