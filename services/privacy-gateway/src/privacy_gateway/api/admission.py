"""A door of the gateway's own for staff: who comes in, for which purpose, and what they did there.

A refusal at the door is recorded; so is every change, before it is made.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.domain.audit.access import Access
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.tokens.caller import Caller
from privacy_gateway.domain.tokens.revocation import Revocations
from privity_database import Database
from privity_rest import NotAllowed, Unauthenticated


class NotForThisPurpose(NotAllowed):
    code = "purpose_not_allowed"
    title = "This purpose does not open this door"


@dataclass(frozen=True, slots=True)
class Desk:
    """Open to one caller for one request."""

    caller: Caller
    policy: Policy
    audit: AuditLog
    database: Database
    revocations: Revocations
    request_id: str
    now: datetime

    @asynccontextmanager
    async def change(self) -> AsyncIterator[AsyncSession]:
        """A transaction that a change is made and recorded in; a refusal in it is recorded too."""
        try:
            async with self.database.transaction() as tx:
                yield tx
        except NotAllowed as refusal:
            await self.audit.record([_refusal(self, refusal.code)])
            raise

    async def record(self, change: str, *, resource: str) -> None:
        """Before the commit. `change` is a code, `resource` the kind and id of what is changed."""
        await self.audit.record([_access(self, change, resource)])


def admitted(purpose: str) -> Callable[[Request], Any]:
    """A dependency that gives the desk to staff with a grant for this purpose."""

    async def admit(request: Request) -> Desk:
        held = request.app.state
        caller: Caller = request.scope["privity.caller"]
        if caller.kind == "visitor":
            raise Unauthenticated("sign in first")
        desk = Desk(
            caller=caller,
            policy=held.policies.current,
            audit=held.audit,
            database=held.database,
            revocations=held.revocations,
            request_id=request.scope["privity.request_id"],
            now=datetime.now(UTC),
        )
        for_this = caller.kind == "staff" and caller.purpose == purpose
        if not for_this or not desk.policy.may(caller.role, purpose):
            await desk.audit.record([_refusal(desk, NotForThisPurpose.code)])
            raise NotForThisPurpose(f"for {purpose} only")
        return desk

    admit.purpose = purpose  # type: ignore[attr-defined]  # for what is published of the route
    return Depends(admit)  # type: ignore[no-any-return]


def _access(desk: Desk, change: str, resource: str) -> Access:
    return replace(_refusal(desk, change), kind="policy", decision="allow", resource=resource)


def _refusal(desk: Desk, reason: str) -> Access:
    caller, policy = desk.caller, desk.policy
    return Access(
        kind="refusal",
        subject=None,
        actor=caller.actor,
        actor_kind=caller.kind,
        role=caller.role,
        purpose=caller.purpose,
        clauses=policy.clauses(caller.purpose),
        policy=policy.version,
        policy_hash=policy.hash,
        work=caller.work,
        service="privacy-gateway",
        scope=None,
        decision="refuse",
        reason=reason,
        request_id=desk.request_id,
    )
