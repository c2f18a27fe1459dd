"""What the gateway itself does, on nobody's request: also that is on record."""

from typing import Final

from privacy_gateway.domain.audit.access import Access, Decision, FieldAccess, Kind
from privacy_gateway.domain.policy.engine import Policy

ACTOR: Final = "svc_privacy-gateway"


def own_access(
    policy: Policy,
    *,
    kind: Kind,
    purpose: str,
    reason: str,
    subject: str | None = None,
    service: str = "privacy-gateway",
    scope: str | None = None,
    resource: str | None = None,
    fields: tuple[FieldAccess, ...] = (),
    clauses: tuple[str, ...] | None = None,
    decision: Decision = "allow",
) -> Access:
    """`clauses` are those of the purpose when none are named; `reason` is a code."""
    return Access(
        kind=kind,
        subject=subject,
        actor=ACTOR,
        actor_kind="service",
        role="service",
        purpose=purpose,
        clauses=policy.clauses(purpose) if clauses is None else clauses,
        policy=policy.version,
        policy_hash=policy.hash,
        service=service,
        scope=scope,
        resource=resource,
        fields=fields,
        decision=decision,
        reason=reason,
    )
