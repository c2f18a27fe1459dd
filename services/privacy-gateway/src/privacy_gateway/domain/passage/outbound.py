"""On the way out: recorded first, then opened, and built from what is allowed."""

from typing import Any

import structlog

from privacy_gateway.domain.audit.access import Kind, Receipt
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.budget.spending import Budgets, BudgetSpent
from privacy_gateway.domain.contracts.answer import AnswerPlan, Found, NotAsPromised, Withheld
from privacy_gateway.domain.passage.journey import Journey
from privacy_gateway.domain.vault.data_keys import KeyDestroyed
from privacy_gateway.domain.vault.sealing import DoesNotOpen, NotSealed
from privacy_gateway.domain.vault.vault import NotInReceipt, Vault
from privity_rest import NotFound, Unavailable

_log = structlog.get_logger("privity.outbound")


class BrokenAnswer(Unavailable):
    code = "service_answer_refused"
    title = "A service answered something that cannot be given on"


class Outbound:
    def __init__(self, *, vault: Vault, audit: AuditLog, budgets: Budgets) -> None:
        self._vault = vault
        self._audit = audit
        self._budgets = budgets

    async def give(self, journey: Journey, answer: Any) -> dict[str, Any]:
        """The answer for this caller.

        Raises NotFound when it is about somebody else than the caller may see, BudgetSpent when it
        is about too many, Unavailable when it cannot be recorded, BrokenAnswer when the service
        broke its contract.
        """
        caller = journey.caller
        plan = journey.contracts.answer(
            journey.route, role=caller.role, purpose=caller.purpose, only=caller.categories
        )
        if plan is None:
            return {}
        try:
            units, tokens = plan.find(answer)
        except NotAsPromised as exc:
            raise self._broken(journey, exc) from None
        for unit in units:
            if not journey.entitled(subject=unit.subject, scope=unit.scope):
                await self._audit.record([journey.refusal("foreign_subject", subject=unit.subject)])
                raise NotFound("there is no such thing")
        if caller.kind == "staff":
            await self._spend(journey, units)
        kind: Kind = "session" if journey.route.answers == "session" else "read"
        accesses = [
            journey.access(kind, subject=u.subject, scope=u.scope, fields=u.unit.fields)
            for u in units
        ]
        if tokens:
            people = {unit.subject for unit in units}
            await self._vault.prepare(tokens, persons=people)
        await self._require_owners(journey, units)
        receipts = await self._audit.record(accesses) if accesses else []
        return self._built(journey, plan, answer, receipts)

    async def _require_owners(self, journey: Journey, units: list[Found]) -> None:
        """What a service says of whose it is agrees with the keys, or nothing is given.

        A sealed value would not open for the wrong person anyway; the plain ones beside it, such
        as what was bought, have no other guard. Raises NotFound, after recording it.
        """
        claimed = {
            (unit.subject, unit.scope)
            for unit in units
            if unit.scope is not None and unit.scope != f"account/{unit.subject}"
        }
        if not claimed:
            return
        sealed_classes = journey.policy.sealed_classes
        if await self._vault.owns(claimed, classes=sealed_classes) != claimed:
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
        self, journey: Journey, plan: AnswerPlan, answer: Any, receipts: list[Receipt]
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
        if plan.personal and (receipts or plan.withheld):
            built["privacy"] = self._privacy(journey, plan, receipts, deleted=deleted)
        return built

    def _privacy(
        self, journey: Journey, plan: AnswerPlan, receipts: list[Receipt], *, deleted: bool
    ) -> dict[str, Any]:
        said: dict[str, Any] = {
            "purpose": journey.caller.purpose,
            "policy": journey.policy.version,
        }
        if len(receipts) == 1:
            said["record"] = receipts[0].record_id
        else:
            said["records"] = [receipt.record_id for receipt in receipts]
        if plan.masked:
            said["masked"] = list(plan.masked)
        if plan.generalised:
            said["generalised"] = list(plan.generalised)
        said["withheld"] = [self._explained(journey, withheld) for withheld in plan.withheld]
        if deleted:
            said["withheld"].append(
                {"field": "*", "reason": "deleted", "how": "Its key was destroyed; nobody can."}
            )
        return said

    def _explained(self, journey: Journey, withheld: Withheld) -> dict[str, str]:
        purposes = journey.policy.purposes_that_yield(withheld.category)
        if journey.caller.kind != "staff":
            how = "Not given for this purpose."
        elif purposes:
            how = f"Given to some roles for: {', '.join(purposes)}."
        else:
            how = "Given to no member of staff for any purpose."
        return {"field": withheld.field, "reason": "not_needed_for_purpose", "how": how}

    def _broken(self, journey: Journey, exc: Exception) -> BrokenAnswer:
        _log.error(
            "broken_answer",
            request_id=journey.request_id,
            route=journey.route.name,
            exception=type(exc).__name__,
        )
        return BrokenAnswer(f"the answer of {journey.route.service} does not fit its contract")
