"""How a change to the register is written down, before it is made."""

from typing import Final, Literal

from privacy_gateway.domain.audit.access import Access, Kind
from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.tokens.caller import Caller

PURPOSE: Final = "partner_management"

Change = Literal[
    "recipient_registered",
    "agreement_added",
    "recipient_activated",
    "recipient_suspended",
    "endpoint_changed",
    "endpoint_gone",
    "public_key_changed",
    "public_key_removed",
    "webhook_secret_rotated",
    "callback_secret_rotated",
]
_ABOUT_KEYS: Final = frozenset(
    {
        "public_key_changed",
        "public_key_removed",
        "webhook_secret_rotated",
        "callback_secret_rotated",
    }
)


def access(
    policy: Policy, caller: Caller, *, recipient_id: str, change: Change, request_id: str
) -> Access:
    kind: Kind = "key" if change in _ABOUT_KEYS else "policy"
    return Access(
        kind=kind,
        subject=None,
        actor=caller.actor,
        actor_kind=caller.kind,
        role=caller.role,
        purpose=PURPOSE,
        clauses=policy.clauses(PURPOSE),
        policy=policy.version,
        policy_hash=policy.hash,
        service="privacy-gateway",
        scope=None,
        decision="allow",
        work=caller.work,
        resource=f"recipient/{recipient_id}",
        recipient=recipient_id,
        reason=change,
        request_id=request_id,
    )


def refusal(policy: Policy, caller: Caller, *, request_id: str) -> Access:
    """Somebody who is signed in, at a door that is not theirs."""
    return Access(
        kind="refusal",
        subject=None,
        actor=caller.actor,
        actor_kind=caller.kind,
        role=caller.role,
        purpose=caller.purpose or PURPOSE,
        clauses=policy.clauses(PURPOSE),
        policy=policy.version,
        policy_hash=policy.hash,
        service="privacy-gateway",
        scope=None,
        decision="refuse",
        work=caller.work,
        reason="purpose_not_allowed",
        request_id=request_id,
    )
