"""One request on its way: who, what for, to which route."""

from dataclasses import dataclass

from privacy_gateway.domain.audit.access import Access, Decision, FieldAccess, Kind
from privacy_gateway.domain.contracts.document import Route
from privacy_gateway.domain.passage.contracts import Contracts
from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.tokens.caller import Caller


@dataclass(slots=True)
class Journey:
    caller: Caller
    route: Route
    parameters: dict[str, str]
    request_id: str
    contracts: Contracts
    """Those of the version in force when it began: one request, one policy."""
    idempotency_key: str | None = None

    @property
    def policy(self) -> Policy:
        return self.contracts.policy

    def access(
        self,
        kind: Kind,
        *,
        subject: str | None,
        scope: str | None,
        fields: tuple[FieldAccess, ...],
        decision: Decision = "allow",
        resource: str | None = None,
        reason: str | None = None,
    ) -> Access:
        caller, policy = self.caller, self.policy
        # Who opens an account or signs in acts for themselves: there is nobody else to name.
        own = caller.kind == "visitor" and kind in {"collect", "session"}
        actor = subject if own and decision == "allow" else None
        return Access(
            kind=kind,
            subject=subject,
            actor=actor or caller.actor,
            actor_kind=caller.kind,
            role=caller.role,
            purpose=caller.purpose,
            clauses=policy.clauses(caller.purpose),
            policy=policy.version,
            policy_hash=policy.hash,
            route=self.route.recorded,
            work=caller.work,
            service=self.route.service,
            scope=scope,
            fields=fields,
            resource=resource,
            decision=decision,
            reason=reason,
            request_id=self.request_id,
        )

    def entitled(self, *, subject: str, scope: str | None) -> bool:
        """Whether the caller may have to do with this subject here at all.

        The owning service has decided this already; a mistake there must not leak a stranger.
        """
        if self.caller.kind == "customer":
            return subject == self.caller.subject
        if self.caller.kind == "staff":
            return self.caller.covers(subject=subject, scope=scope)
        return True

    def refusal(self, reason: str, *, subject: str | None = None) -> Access:
        return self.access(
            "refusal", subject=subject, scope=None, fields=(), decision="refuse", reason=reason
        )
