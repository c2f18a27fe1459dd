"""From "who I am" to "what I am doing": a grant for one purpose and one piece of work.

OAuth 2.0 token exchange (RFC 8693); purpose and work come as authorization details (RFC 9396). The
grant, like each refusal, is recorded before it is answered.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from privacy_gateway.domain.audit.access import Access, Decision, Kind
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.break_glass import opening
from privacy_gateway.domain.break_glass.telling import Telling
from privacy_gateway.domain.budget.spending import Budgets
from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.staff import directory
from privacy_gateway.domain.tokens import asked as asking
from privacy_gateway.domain.tokens import minting, yielding
from privacy_gateway.domain.tokens.asked import (
    AccessDenied,
    Asked,
    InvalidDetails,
)
from privacy_gateway.domain.tokens.identity import Identities
from privacy_gateway.domain.tokens.jose import Claims, InvalidToken, TokenSigner
from privacy_gateway.domain.tokens.revocation import Revocations
from privacy_gateway.domain.work import ANYTHING, NotTheirWork, Work, WorkBinding
from privacy_gateway.models import StaffMember
from privity_database import Database

SERVICE = "privacy-gateway"


@dataclass(frozen=True, slots=True)
class _Bound:
    """What a grant will be bound to, and for how long."""

    work: str | None
    binding: WorkBinding
    seconds: int


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
        telling: Telling,
        identities: Identities,
    ) -> None:
        """`policy` gives the version in force."""
        self._signer = signer
        self._revocations = revocations
        self._database = database
        self._audit = audit
        self._policy = policy
        self._work = work
        self._budgets = budgets
        self._telling = telling
        self._identities = identities

    async def exchange(
        self, form: Mapping[str, str], *, request_id: str, now: float
    ) -> dict[str, Any]:
        """The answer of RFC 8693, section 2.2.1; raises OAuthRefusal."""
        asking.check_parameters(form)
        asked = asking.read(form["authorization_details"])
        identity = await self._identities.of(
            form["subject_token"],
            from_provider=form["subject_token_type"] == asking.ID_TOKEN,
            request_id=request_id,
            now=now,
        )
        now = await self._past_its_end(asked.work, now=now)
        async with self._database.transaction() as tx:
            member = await directory.find(tx, identity.subject)
        policy = self._policy()
        role, reason = _decide(policy, member, asked)
        bound = _Bound(asked.work, ANYTHING, minting.GRANT_SECONDS)
        if member is not None and reason is None:
            try:
                bound = await self._bound(policy, member, asked, request_id=request_id, now=now)
            except NotTheirWork as refusal:
                reason = refusal.reason
        record = _record_of(
            policy,
            identity,
            asked,
            role=role,
            work=bound.work,
            reason=reason,
            request_id=request_id,
        )
        await self._audit.record([record])
        if reason is not None:
            raise AccessDenied(reason)
        if asked.emergency is not None:
            await self._break_glass(policy, identity, asked, role=role, bound=bound, now=now)
        return await self._granted(policy, identity, asked, role=role, bound=bound, now=now)

    async def _past_its_end(self, work: str | None, *, now: float) -> float:
        """The time from which a grant for this work counts again: whoever gets a case that was
        another's a moment ago would otherwise get a grant that ended with the other's."""
        ended = self._revocations.until("work", work) if work is not None else None
        wait = min(ended + 1 - now, 1.0) if ended is not None else 0.0
        if wait <= 0:
            return now
        await asyncio.sleep(wait)
        return now + wait

    async def _bound(
        self, policy: Policy, member: StaffMember, asked: Asked, *, request_id: str, now: float
    ) -> "_Bound":
        """Raises NotTheirWork, and InvalidDetails for a reason that the policy does not list."""
        if asked.emergency is not None:
            terms = policy.file.limits.break_glass
            if terms is None or asked.emergency.reason not in terms.reasons:
                raise InvalidDetails("reason")
            return _Bound(opening.work_of(opening.new_id()), ANYTHING, terms.minutes * 60)
        binding = await self._work.check(
            asked.work or "",
            member=member,
            purpose=asked.purpose,
            request_id=request_id,
            now=datetime.fromtimestamp(now, UTC),
        )
        return _Bound(asked.work, binding, minting.GRANT_SECONDS)

    async def _break_glass(
        self,
        policy: Policy,
        identity: Claims,
        asked: Asked,
        *,
        role: str,
        bound: "_Bound",
        now: float,
    ) -> None:
        terms = policy.file.limits.break_glass
        if asked.emergency is None or terms is None or bound.work is None:
            raise AssertionError("an emergency was decided on without its terms")
        async with self._database.transaction() as tx:
            await opening.write_down(
                tx,
                bound.work.rpartition("/")[2],
                staff_id=identity.subject,
                role=role,
                reason=asked.emergency.reason,
                ticket=asked.emergency.ticket,
                terms=terms,
                now=datetime.fromtimestamp(now, UTC),
            )
        self._telling.poke()

    async def _granted(
        self,
        policy: Policy,
        identity: Claims,
        asked: Asked,
        *,
        role: str,
        bound: "_Bound",
        now: float,
    ) -> dict[str, Any]:
        minted = minting.grant_token(
            self._signer,
            staff=identity.subject,
            session=identity.session or "",
            role=role,
            purpose=asked.purpose,
            work=bound.work or "",
            work_subject=bound.binding.subject,
            work_scopes=bound.binding.scopes,
            categories=asked.categories,
            # When it was asked for: what ends it may have happened since, and is then later.
            now=now,
            seconds=bound.seconds,
        )
        terms = policy.file.limits.budgets
        budget = await self._budgets.standing(identity.subject, role, terms=terms)
        detail = {
            "type": asking.DETAIL,
            "purpose": asked.purpose,
            "work": bound.work,
            "role": role,
            "policy": policy.version,
            "yields": yielding.of(policy, role, asked.purpose, only=asked.categories),
            "budget": {"allowed": budget.allowed, "spent": budget.spent},
        }
        return {
            "access_token": minted.token,
            "issued_token_type": asking.ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": minted.expires_in,
            "authorization_details": [detail],
        }

    async def revoke(self, untrusted_token: str, *, now: float) -> None:
        """RFC 7009. Whoever holds a token may end it; what is no token of ours is ended already.

        Ending an identity token ends every grant that came from it.
        """
        try:
            claims = self._signer.verify(untrusted_token, audience=minting.ACCESS, now=now)
        except InvalidToken:
            await self._identities.end(untrusted_token, now=now)
        else:
            await self._revocations.revoke("token", claims.token_id, now=now)


def _record_of(
    policy: Policy,
    identity: Claims,
    asked: Asked,
    *,
    role: str,
    work: str | None,
    reason: str | None,
    request_id: str,
) -> Access:
    # A purpose that the policy does not know is whatever somebody typed.
    purpose = asked.purpose if asked.purpose in policy.file.purposes else "unknown"
    kind: Kind = "grant" if reason is None else "refusal"
    decision: Decision = "allow" if reason is None else "refuse"
    if reason is None and asked.emergency is not None:
        reason = asked.emergency.reason
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
        work=work,
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
