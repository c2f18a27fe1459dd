"""One case with all that belongs to it, in one answer, for the person who follows it up.

Each part is read, filtered and recorded as if it had been asked for alone, and the parts are read
side by side. A part that is not given is named with the reason; none is a silent blank. All are
opened together when the last of them is there: what waits for another part waits sealed, and if its
key is destroyed meanwhile, it stays so.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import orjson

from privacy_gateway.clients.services import Services, ServiceUnavailable
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.contracts.offer import Offer
from privacy_gateway.domain.contracts.public import given
from privacy_gateway.domain.passage.contracts import Contracts, ContractsInForce
from privacy_gateway.domain.passage.journey import Journey
from privacy_gateway.domain.passage.outbound import Opening, Outbound
from privacy_gateway.domain.tokens.caller import Caller
from privity_rest import NotAllowed, NotFound, Refusal, Unavailable


class Part(NamedTuple):
    name: str
    service: str
    path: str


CASE = Part("case", "customers", "/v1/cases/{case_id}")
WITH_CASE = (
    CASE,
    Part("messages", "customers", "/v1/cases/{case_id}/messages"),
    Part("customer", "customers", "/v1/customers/{subject_id}"),
)
WITH_ORDER = (
    Part("order", "orders", "/v1/orders/{order_id}"),
    Part("delivery", "orders", "/v1/orders/{order_id}/delivery"),
    Part("history", "orders", "/v1/orders/{order_id}/history"),
    Part("shipment", "logistics-adapter", "/v1/orders/{order_id}/shipment"),
)
HOW = {
    "not_needed_for_purpose": "Ask for a grant with a purpose that needs it.",
    "not_within_work": "The case does not reach it.",
    "not_there": "There is none, or none yet.",
    "not_available_now": "Its service does not answer; try again.",
    "no_order": "The case is about no order in particular.",
}
_BY_STATUS = {403: "not_within_work", 404: "not_there", 503: "not_available_now"}


def schema(offer: Offer) -> dict[str, Any]:
    """What an answer looks like: each part as it is given when it is asked for alone."""
    parts = {p.name: given(offer.reading_route(p.service, p.path)) for p in WITH_CASE + WITH_ORDER}
    said = {"part": {"enum": sorted(parts)}, "reason": {"enum": sorted(HOW)}}
    missing = {
        "type": "object",
        "properties": {**said, "how": {"type": "string"}},
        "required": ["part", "reason", "how"],
    }
    members = {"id": {"type": "string"}, **parts, "missing": {"type": "array", "items": missing}}
    return {"type": "object", "properties": members, "required": ["id", "missing"]}


class WorkRequired(NotAllowed):
    code = "work_required"
    title = "The view of a case is for whom it is assigned to"


class _Missing(NamedTuple):
    reason: str


class SupportView:
    def __init__(
        self,
        contracts: ContractsInForce,
        *,
        outbound: Outbound,
        services: Services,
        audit: AuditLog,
    ) -> None:
        self._contracts = contracts
        self._outbound = outbound
        self._services = services
        self._audit = audit

    async def of(self, case_id: str, *, caller: Caller, request_id: str) -> dict[str, Any]:
        """Raises WorkRequired, and whatever keeps the case itself, or the record of a part, from
        being had."""
        reading = _Reading(self._contracts.current, caller, request_id)
        known = {"case_id": case_id, "subject_id": caller.work_subject or ""}
        if caller.kind != "staff" or caller.work != f"case/{case_id}":
            await self._audit.record([reading.of(CASE, known).refusal("work_not_yours")])
            raise WorkRequired(f"{case_id} is not the work of this grant")
        if caller.work_scopes is not None:
            order_id = _order_in(caller.work_scopes)
            parts = WITH_CASE + (WITH_ORDER if order_id else ())
            found = await self._side_by_side(parts, reading, known | {"order_id": order_id or ""})
        else:
            # Its purpose reaches all of the customer's orders: the case says which one it is about.
            found = await self._side_by_side(WITH_CASE, reading, known)
            case = found["case"]
            order_id = None if isinstance(case, _Missing) else case().get("order_id")
            if order_id:
                of_order = known | {"order_id": order_id}
                found |= await self._side_by_side(WITH_ORDER, reading, of_order)
        if not order_id:
            found |= {part.name: _Missing("no_order") for part in WITH_ORDER}
        return {"id": case_id, **_told(found)}

    async def _side_by_side(
        self, parts: Iterable[Part], reading: "_Reading", known: Mapping[str, str]
    ) -> dict[str, "Opening | _Missing"]:
        try:
            async with asyncio.TaskGroup() as together:
                tasks = {
                    part.name: together.create_task(self._one(part, reading.of(part, known), known))
                    for part in parts
                }
        except BaseExceptionGroup as failures:
            refusals, bugs = failures.split(Refusal)
            if refusals is None or bugs is not None:
                raise
            raise _first(refusals) from None
        return {name: task.result() for name, task in tasks.items()}

    async def _one(
        self, part: Part, journey: Journey, known: Mapping[str, str]
    ) -> "Opening | _Missing":
        caller = journey.caller
        if not journey.contracts.admits(journey.route, role=caller.role, purpose=caller.purpose):
            return _Missing("not_needed_for_purpose")
        try:
            answer = await self._services.send(
                part.service,
                "GET",
                part.path.format_map(known),
                headers=caller.headers(journey.request_id),
                timeout_seconds=None,
            )
        except ServiceUnavailable:
            if part is CASE:
                raise
            return _Missing("not_available_now")
        if answer.status == 200:
            return await self._outbound.ready(journey, orjson.loads(answer.body))
        if part is CASE and answer.status in {403, 404, 409}:
            raise NotFound("there is no such case, or it is not yours any more")
        if part is CASE or answer.status not in _BY_STATUS:
            raise Unavailable(f"{part.service} answered {answer.status} for {part.name}")
        return _Missing(_BY_STATUS[answer.status])


class _Reading(NamedTuple):
    """What all parts have in common."""

    contracts: Contracts
    caller: Caller
    request_id: str

    def of(self, part: Part, known: Mapping[str, str]) -> Journey:
        return Journey(
            caller=self.caller,
            route=self.contracts.offer.reading_route(part.service, part.path),
            parameters=dict(known),
            request_id=self.request_id,
            contracts=self.contracts,
        )


def _order_in(scopes: Iterable[str]) -> str | None:
    named = (scope.removeprefix("order/") for scope in scopes if scope.startswith("order/"))
    return next(named, None)


def _first(refusals: BaseExceptionGroup[Refusal]) -> Refusal:
    one = refusals.exceptions[0]
    return _first(one) if isinstance(one, BaseExceptionGroup) else one


def _told(found: Mapping[str, Opening | _Missing]) -> dict[str, Any]:
    parts = {name: part() for name, part in found.items() if not isinstance(part, _Missing)}
    missing = [
        {"part": name, "reason": part.reason, "how": HOW[part.reason]}
        for name, part in found.items()
        if isinstance(part, _Missing)
    ]
    return {**parts, "missing": missing}
