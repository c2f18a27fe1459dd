"""A sign-in as a whole: checked, recorded, and answered with a token that says who it is."""

from collections.abc import Callable
from typing import Any

from privacy_gateway.domain.audit.access import Access, Decision
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.staff.passwords import Passwords
from privacy_gateway.domain.staff.sign_in import TooManyAttempts, WrongCredentials, sign_in
from privacy_gateway.domain.tokens import minting
from privacy_gateway.domain.tokens.jose import TokenSigner
from privity_contracts import ids
from privity_database import Database

PURPOSE = "authentication"


class Entrance:
    """Where staff come in: what a sign-in needs, for as long as the process lives."""

    def __init__(
        self,
        *,
        database: Database,
        signer: TokenSigner,
        audit: AuditLog,
        policy: Callable[[], Policy],
        passwords: Passwords,
        names_key: bytes,
    ) -> None:
        """`names_key` hides the names under which failures are counted."""
        self._database = database
        self._signer = signer
        self._audit = audit
        self._policy = policy
        self._passwords = passwords
        self._names_key = names_key

    async def sign_in(
        self, *, username: str, password: str, request_id: str, now: float
    ) -> dict[str, Any]:
        """Raises WrongCredentials or TooManyAttempts, recorded like a success."""
        try:
            member = await sign_in(
                self._database,
                self._passwords,
                names_key=self._names_key,
                username=username,
                password=password,
                now=now,
            )
        except (WrongCredentials, TooManyAttempts) as refusal:
            # As a visitor, even when the name is somebody's: who was meant is not known.
            await self._record("visitor", "visitor", request_id, reason=refusal.code)
            raise
        await self._record(member.id, "staff", request_id, reason=None)
        session = ids.mint("ses")
        minted = minting.identity_token(self._signer, staff=member.id, session=session, now=now)
        return {
            "identity_token": minted.token,
            "expires_in": minted.expires_in,
            "staff_id": member.id,
            "roles": member.roles,
            "sites": member.sites,
        }

    async def _record(
        self, actor: str, actor_kind: str, request_id: str, *, reason: str | None
    ) -> None:
        policy = self._policy()
        decision: Decision = "allow" if reason is None else "refuse"
        access = Access(
            kind="session",
            subject=None,
            actor=actor,
            actor_kind=actor_kind,
            role="none",
            purpose=PURPOSE,
            clauses=policy.clauses(PURPOSE),
            policy=policy.version,
            policy_hash=policy.hash,
            service="privacy-gateway",
            scope=None,
            resource="staff.sign_in",
            decision=decision,
            reason=reason,
            request_id=request_id,
        )
        await self._audit.record([access])
