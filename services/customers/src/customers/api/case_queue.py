"""Who follows up which case. Nothing here tells whose case it is."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from customers.api import REVOKE, Now
from customers.api.case_views import FOLLOWING_UP, CaseQueue, QueuedCase, actor
from customers.domain import case_assignment, case_lists, case_reach
from customers.domain.case_assignment import HandoverReason
from customers.domain.case_reach import OVERSIGHT, Reach
from customers.models import CaseKind, CaseState
from privity_contracts import OPERATIONAL, Contract, route, works_on
from privity_contracts.ids import CaseId, OrderId, StaffId, SubjectId
from privity_database import Transaction
from privity_rest import AnyCaller, Caller, NotAllowed, ServiceCaller, Staff

router = APIRouter(tags=["case queue"])
TAKING = "case_management"

Flag = Annotated[bool, OPERATIONAL]


def _here_for(*purposes: str) -> Callable[[Caller], Caller]:
    """The gateway has checked it; we check it again."""

    def check(who: Staff) -> Caller:
        if who.purpose not in purposes:
            raise NotAllowed(f"for {' and '.join(purposes)} only")
        return who

    return check


Organiser = Annotated[Caller, Depends(_here_for(TAKING, OVERSIGHT))]


class Assignment(Contract):
    """To whoever asks, unless it names somebody."""

    assignee: Annotated[StaffId | None, works_on("case/{case_id}", absent="caller")] = None


class Handover(Contract):
    """To nobody means back into the queue."""

    assignee: Annotated[StaffId | None, works_on("case/{case_id}", absent="nobody")] = None
    reason: Annotated[HandoverReason, OPERATIONAL]


class CaseWork(Contract):
    """What the gateway asks before it grants access for a case."""

    id: CaseId
    kind: Annotated[CaseKind, OPERATIONAL]
    state: Annotated[CaseState, OPERATIONAL]
    subject_id: SubjectId
    order_id: OrderId | None
    assignee: StaffId | None


@router.get(
    "/v1/case-queue",
    response_model=CaseQueue,
    openapi_extra=route(purposes=[TAKING, OVERSIGHT]),
)
async def read_queue(
    *,
    caller: Organiser,
    tx: Transaction,
    state: Annotated[Annotated[CaseState, OPERATIONAL] | None, Query()] = None,
    kind: Annotated[Annotated[CaseKind, OPERATIONAL] | None, Query()] = None,
    mine: Annotated[Flag, Query()] = False,
    cursor: Annotated[CaseId | None, Query()] = None,
    limit: Annotated[Annotated[int, Field(ge=1, le=100), OPERATIONAL], Query()] = 20,
) -> object:
    assignee = caller.actor if mine else None
    cases = await case_lists.to_do(
        tx, state=state, kind=kind, assignee=assignee, after=cursor, limit=limit + 1
    )
    shown = [QueuedCase.model_validate(case) for case in cases[:limit]]
    return CaseQueue(items=shown, next_cursor=shown[-1].id if len(cases) > limit else None)


@router.post(
    "/v1/cases/{case_id}/assignment",
    response_model=QueuedCase,
    openapi_extra=route(purposes=[TAKING, OVERSIGHT]),
)
async def assign_case(
    case_id: CaseId, body: Assignment, caller: Organiser, tx: Transaction, now: Now
) -> object:
    assignee = body.assignee or caller.actor
    if assignee != caller.actor and caller.purpose != OVERSIGHT:
        raise NotAllowed("who takes a case takes it themselves")
    case = await case_reach.find(tx, case_id, reach=Reach(), lock=True)
    case_assignment.assign(tx, case, assignee, actor=actor(caller), now=now)
    return case


@router.post(
    "/v1/cases/{case_id}/handover",
    response_model=QueuedCase,
    openapi_extra=route(purposes=[*FOLLOWING_UP, OVERSIGHT]),
)
async def hand_over_case(
    *,
    case_id: CaseId,
    body: Handover,
    caller: AnyCaller,
    response: Response,
    tx: Transaction,
    now: Now,
) -> object:
    """By the assignee, or by who gives out cases."""
    if caller.kind != "staff":
        raise NotAllowed("staff hand cases over")
    case = await case_reach.find(tx, case_id, reach=case_reach.reach(caller), lock=True)
    case_assignment.hand_over(
        tx, case, body.assignee, reason=body.reason, actor=actor(caller), now=now
    )
    response.headers[REVOKE] = f"case/{case.id}"
    return case


@router.get(
    "/v1/cases/{case_id}/work",
    response_model=CaseWork,
    openapi_extra=route(purposes=["internal"]),
)
async def read_work(case_id: CaseId, caller: ServiceCaller, tx: Transaction) -> object:
    if caller.actor != "svc_privacy-gateway":
        raise NotAllowed("for the gateway itself")
    return await case_reach.find(tx, case_id, reach=Reach())
