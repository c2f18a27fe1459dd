"""Recording a disclosure, and opening what was recorded: in this order, in one place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from privacy_gateway.domain.audit.access import Access, FieldAccess
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.policy.in_force import PolicyInForce
from privacy_gateway.domain.tokens.caller import Caller
from privacy_gateway.domain.vault.kek import KeyEncryption
from privacy_gateway.domain.vault.sealing import DoesNotOpen, NotSealed
from privacy_gateway.domain.vault.vault import NotInReceipt, Vault
from privity_contracts import Sealed
from privity_database import Database
from privity_rest import NotAllowed, Unauthenticated


class NotEntrusted(NotAllowed):
    code = "not_entrusted"
    title = "This is not entrusted to the caller"


class NotTheirs(NotAllowed):
    """Asked for somebody's data with another one's sealed values."""

    code = "not_in_scope"
    title = "These values do not belong to whom the request names"


@dataclass(frozen=True, slots=True)
class Means:
    """What a disclosure needs of the gateway."""

    database: Database
    policies: PolicyInForce
    vault: Vault
    audit: AuditLog
    keks: KeyEncryption

    @property
    def policy(self) -> Policy:
        return self.policies.current


@dataclass(frozen=True, slots=True)
class Matter:
    """Who discloses what of whom to whom, before it is decided."""

    caller: Caller
    request_id: str
    recipient_id: str | None
    subject_id: str
    scope: str
    resource: str


async def require_trust(means: Means, matter: Matter, *, kind: str) -> None:
    """Raises NotEntrusted, after recording it, unless this service may disclose to this kind."""
    caller = matter.caller
    if caller.kind == "service" and means.policy.trusts(
        caller.actor.removeprefix("svc_"), "disclose", kind
    ):
        return
    if caller.kind == "visitor":
        raise Unauthenticated("services only")
    # Who asks may not learn anything here, so nothing of the matter is on record as theirs.
    asked = replace(matter, recipient_id=None)
    await record_refusal(means, asked, purpose=caller.purpose, fields=(), reason=NotEntrusted.code)
    raise NotEntrusted(caller.actor)


async def open_recorded(
    means: Means,
    matter: Matter,
    values: Mapping[str, Sealed | str],
    *,
    purpose: str,
    fields: Sequence[FieldAccess],
) -> dict[str, str]:
    """The values in the clear, once the record of it is durable.

    Raises NotTheirs, KeyDestroyed, and Unavailable when it cannot be recorded.
    """
    tokens = [value.token for value in values.values() if isinstance(value, Sealed)]
    await means.vault.prepare(tokens, persons=[matter.subject_id])
    (receipt,) = await means.audit.record([_access(means, matter, purpose, tuple(fields))])
    await means.vault.prepare(tokens)  # a commit may take longer than a key stays in memory
    try:
        return {
            name: means.vault.open(value.token, receipt) if isinstance(value, Sealed) else value
            for name, value in values.items()
        }
    except (NotInReceipt, NotSealed, DoesNotOpen):
        await record_refusal(means, matter, purpose=purpose, fields=fields, reason=NotTheirs.code)
        raise NotTheirs(matter.scope) from None


async def record_refusal(
    means: Means, matter: Matter, *, purpose: str, fields: Sequence[FieldAccess], reason: str
) -> None:
    withheld = tuple(FieldAccess(name, category, "withhold") for name, category, _ in fields)
    access = _access(means, matter, purpose, withheld)
    await means.audit.record([replace(access, decision="refuse", reason=reason)])


def _access(means: Means, matter: Matter, purpose: str, fields: tuple[FieldAccess, ...]) -> Access:
    caller = matter.caller
    return Access(
        kind="disclosure",
        subject=matter.subject_id,
        actor=caller.actor,
        actor_kind=caller.kind,
        role=caller.role,
        purpose=purpose,
        clauses=means.policy.clauses(purpose),
        policy=means.policy.version,
        policy_hash=means.policy.hash,
        service=caller.actor.removeprefix("svc_"),
        scope=matter.scope,
        decision="allow",
        fields=fields,
        resource=matter.resource,
        recipient=matter.recipient_id,
        request_id=matter.request_id,
    )
