"""On the way out: recorded first, then opened, and built from what is allowed."""

from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from privacy_gateway.domain.audit.access import Kind, Receipt
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.budget.spending import Budgets, BudgetSpent
from privacy_gateway.domain.contracts.answer import AnswerPlan
from privacy_gateway.domain.contracts.shape import Found, NotAsPromised
from privacy_gateway.domain.passage.consents import Consents
from privacy_gateway.domain.passage.journey import Journey
from privacy_gateway.domain.policy.explanation import NARROWED
from privacy_gateway.domain.vault.data_keys import KeyDestroyed
from privacy_gateway.domain.vault.sealing import DoesNotOpen, NotSealed
from privacy_gateway.domain.vault.vault import NotInReceipt, Vault
from privity_rest import NotAllowed, NotFound, Unavailable

Opening = Callable[[], dict[str, Any]]
_log = structlog.get_logger("privity.outbound")

_DELETED = {"field": "*", "reason": "deleted", "how": "Its key was destroyed; nobody can."}
_NO_CONSENT = {
    "field": "*",
    "reason": "consent_missing",
    "how": "Some entries are left out: those customers have not consented to this purpose.",
}


class BrokenAnswer(Unavailable):
    code = "service_answer_refused"
    title = "A service answered something that cannot be given on"


class ConsentMissing(NotAllowed):
    code = "consent_missing"
    title = "The customer has not consented to this, or does not any more"


class Outbound:
    def __init__(
        self, *, vault: Vault, audit: AuditLog, consents: Consents, budgets: Budgets
    ) -> None:
        self._vault = vault
        self._audit = audit
        self._consents = consents
        self._budgets = budgets

    async def give(self, journey: Journey, answer: Any) -> dict[str, Any]:
        """The answer for this caller. Raises what `ready` raises, and what its opening raises."""
        return (await self.ready(journey, answer))()

    async def ready(self, journey: Journey, answer: Any) -> Opening:
        """Recorded and not opened yet: that is for the last moment before the answer leaves, so
        that nothing lies open here while its keys are destroyed.

        Raises NotFound when it is about somebody else than the caller may see, ConsentMissing,
        BudgetSpent when it is about too many, Unavailable when it cannot be recorded, BrokenAnswer
        when the service broke its contract.
        """
        caller = journey.caller
        plan = journey.contracts.answer(
            journey.route, role=caller.role, purpose=caller.purpose, only=caller.categories
        )
        if plan is None:
            return dict
        units, tokens = self._found(journey, plan, answer)
        for unit in units:
            if not journey.entitled(subject=unit.subject, scope=unit.scope):
                await self._audit.record([journey.refusal("foreign_subject", subject=unit.subject)])
                raise NotFound("there is no such thing")
        refused = await self._without_consent(journey, units)
        if refused:
            answer = plan.without(answer, refused)
            if answer is None:
                raise ConsentMissing("there is no consent to this purpose")
            units, tokens = self._found(journey, plan, answer)
        if caller.kind == "staff":
            await self._spend(journey, units)
        kind: Kind = "session" if journey.route.answers == "session" else "read"
        reason = NARROWED if plan.narrowed else None
        accesses = [
            journey.access(
                kind, subject=u.subject, scope=u.scope, fields=u.unit.fields, reason=reason
            )
            for u in units
        ]
        if tokens:
            people = {unit.subject for unit in units}
            await self._vault.prepare(tokens, persons=people)
        await self._require_owners(journey, units)
        receipts = await self._audit.record(accesses) if accesses else []
        # A commit may take longer than a key stays in memory.
        await self._vault.prepare(tokens)
        return partial(self._built, journey, plan, answer, receipts, refused)

    def _found(
        self, journey: Journey, plan: AnswerPlan, answer: Any
    ) -> tuple[list[Found], list[str]]:
        try:
            return plan.find(answer)
        except NotAsPromised as exc:
            raise self._broken(journey, exc) from None

    async def _without_consent(self, journey: Journey, units: list[Found]) -> frozenset[str]:
        """The people whose data this purpose may not have; that it was asked for is on record."""
        needed = journey.policy.consents(journey.caller.purpose)
        if not needed or not units:
            return frozenset()
        people = {unit.subject for unit in units}
        missing = await self._consents.missing(people, needed, request_id=journey.request_id)
        if missing:
            refusals = [journey.refusal(ConsentMissing.code, subject=s) for s in sorted(missing)]
            await self._audit.record(refusals)
        return missing

    async def _require_owners(self, journey: Journey, units: list[Found]) -> None:
        """What a service says of whose it is agrees with the keys, or nothing is given.

        A sealed value would not open for the wrong person anyway; the plain ones beside it, such
        as what was bought, have no other guard. Raises NotFound, after recording it.
        """
        claimed = {
            unit.scope: unit.subject
            for unit in units
            if unit.scope is not None and unit.scope != f"account/{unit.subject}"
        }
        if claimed and await self._vault.owners(claimed) != claimed:
            _log.error("foreign_row", request_id=journey.request_id, route=journey.route.name)
            await self._audit.record([journey.refusal("foreign_subject")])
            raise NotFound("there is no such thing")

    async def _spend(self, journey: Journey, units: list[Found]) -> None:
        unseen = self._budgets.unseen(journey.caller, {unit.subject for unit in units})
        if not unseen:
            return
        try:
            terms = journey.policy.file.limits.budgets
            await self._budgets.spend(journey.caller, unseen, terms=terms)
        except BudgetSpent as refusal:
            await self._audit.record([journey.refusal(refusal.code)])
            raise

    def _built(
        self,
        journey: Journey,
        plan: AnswerPlan,
        answer: Any,
        receipts: list[Receipt],
        refused: frozenset[str],
    ) -> dict[str, Any]:
        deleted = False

        def open_(token: str, receipt: Receipt) -> str | None:
            nonlocal deleted
            try:
                return self._vault.open(token, receipt)
            except KeyDestroyed:
                deleted = True
                return None

        try:
            built = plan.build(answer, receipts, open_)
        except NotInReceipt:
            # The row that the service gave holds a value of another person, order or kind.
            _log.error("foreign_value", request_id=journey.request_id, route=journey.route.name)
            raise NotFound("there is no such thing") from None
        except (NotAsPromised, NotSealed, DoesNotOpen) as exc:
            raise self._broken(journey, exc) from None
        if plan.personal and (receipts or plan.withheld or refused):
            also = ([_DELETED] if deleted else []) + ([_NO_CONSENT] if refused else [])
            built["privacy"] = _privacy(plan, receipts, also)
        return built

    def _broken(self, journey: Journey, exc: Exception) -> BrokenAnswer:
        _log.error(
            "broken_answer",
            request_id=journey.request_id,
            route=journey.route.name,
            exception=type(exc).__name__,
        )
        return BrokenAnswer(f"the answer of {journey.route.service} does not fit its contract")


def _privacy(
    plan: AnswerPlan, receipts: list[Receipt], also: list[dict[str, str]]
) -> dict[str, Any]:
    said = dict(plan.said)
    if len(receipts) == 1:
        said["record"] = receipts[0].record_id
    else:
        said["records"] = [receipt.record_id for receipt in receipts]
    if also:
        said["withheld"] = [*said["withheld"], *also]
    return said
