"""Reading the audit store is an access like any other: who may, and how it is recorded."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from fastapi import Request

from privacy_gateway.domain.audit.access import Access, FieldAccess
from privacy_gateway.domain.audit.filters import Filters
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.audit.query import Records
from privacy_gateway.domain.policy import Policy
from privacy_gateway.domain.tokens.caller import Caller
from privacy_gateway.domain.vault.vault import Vault
from privity_rest import NotAllowed, Unauthenticated

REVIEW = "audit_review"
LISTED = (FieldAccess("records", "system.operations", "reveal"),)


class OnlyForReview(NotAllowed):
    code = "only_for_audit_review"


async def reviewer(request: Request) -> Caller:
    """Raises OnlyForReview, recorded, for anyone without a grant to review."""
    who = caller(request)
    allowed = policy_of(request).may(who.role, REVIEW)
    if who.kind == "staff" and who.purpose == REVIEW and allowed:
        return who
    await log_of(request).record([_refusal(request, who)])
    raise OnlyForReview(f"a grant for {REVIEW} is needed")


def caller(request: Request) -> Caller:
    who: Caller = request.scope["privity.caller"]
    if who.kind == "visitor":
        raise Unauthenticated("who is asking is not known")
    return who


async def placed(request: Request, filters: Filters) -> Filters:
    """With the customer whom the work concerns, if it says so itself: tags hang on persons."""
    if filters.persons_work is None or filters.persons or filters.work is None:
        return filters
    vault: Vault = request.app.state.vault
    owners = await vault.owners([filters.work])
    return replace(filters, subject=owners.get(filters.work))


def reading(request: Request, who: Caller, *, subject: str | None, resource: str | None) -> Access:
    policy = policy_of(request)
    return Access(
        kind="audit_read",
        subject=subject,
        actor=who.actor,
        actor_kind=who.kind,
        role=who.role,
        purpose=who.purpose,
        clauses=policy.clauses(who.purpose),
        policy=policy.version,
        policy_hash=policy.hash,
        work=who.work,
        service="privacy-gateway",
        resource=resource,
        scope=None if subject is None else f"account/{subject}",
        fields=LISTED,
        decision="allow",
        request_id=request.scope.get("privity.request_id"),
    )


def privacy(access: Access, record_id: str) -> dict[str, Any]:
    return {
        "purpose": access.purpose,
        "policy": access.policy,
        "record": record_id,
        "withheld": [],
    }


def _refusal(request: Request, who: Caller) -> Access:
    asked = reading(request, who, subject=who.subject, resource="audit")
    return replace(asked, kind="refusal", decision="refuse", fields=(), reason=OnlyForReview.code)


def now() -> datetime:
    return datetime.now(UTC)


def log_of(request: Request) -> AuditLog:
    log: AuditLog = request.app.state.audit
    return log


def records_of(request: Request) -> Records:
    records: Records = request.app.state.records
    return records


def policy_of(request: Request) -> Policy:
    policy: Policy = request.app.state.policies.current
    return policy
