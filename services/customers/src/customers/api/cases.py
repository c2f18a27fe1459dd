"""Cases: opened, read, written in, closed."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from customers.api import REVOKE, Now, Subject
from customers.api.case_views import (
    FOLLOWING_UP,
    REQUEST,
    CaseOpened,
    CasePage,
    CaseSummary,
    CaseView,
    HistoryView,
    Kind,
    MessagePage,
    MessageSent,
    Text,
    actor,
    case_view,
    change_view,
    message_view,
)
from customers.domain import case_closing, case_correspondence, case_history, case_lists, case_reach
from customers.domain.case_opening import open_case
from customers.domain.idempotency import submission
from customers.models import CaseState, Outcome
from privity_contracts import OPERATIONAL, Contract, carried, route
from privity_contracts.ids import CaseId, CaseMessageId, OrderId, SubjectId
from privity_database import Transaction
from privity_rest import AnyCaller, Caller, NotAllowed, Unprocessable

router = APIRouter(prefix="/v1/cases", tags=["cases"])
READERS = ["self_service", *FOLLOWING_UP]
Limit = Annotated[Annotated[int, Field(ge=1, le=100), OPERATIONAL], Query()]


class OrderNamed(Contract):
    """Of the order that the gateway read for whoever asks: that they reach it, and whose it is."""

    id: OrderId
    subject_id: SubjectId


class NewCase(Contract):
    kind: Kind
    order: Annotated[
        OrderNamed | None,
        carried("order_id", service="orders", path="/v1/orders/{order_id}"),
    ] = None
    message: Text


class NewMessage(Contract):
    content: Text


class CaseEnd(Contract):
    outcome: Annotated[Outcome, REQUEST]


@router.post(
    "",
    status_code=201,
    response_model=CaseOpened,
    openapi_extra=route(
        purposes=["self_service", "order_verification"],
        scope="case/new",
        new="cas",
        idempotent=True,
    ),
)
async def open_a_case(
    body: NewCase, caller: AnyCaller, response: Response, tx: Transaction, now: Now
) -> object:
    """Customers open their own; staff open one for the customer of the order that is their work."""
    case = await open_case(
        tx,
        submission(caller, "cas"),
        kind=body.kind,
        subject=_concerned(body, caller),
        order=body.order.id if body.order else None,
        message=body.message,
        actor=actor(caller),
        now=now,
    )
    response.headers["Location"] = f"/v1/cases/{case.id}"
    return case


@router.get("", response_model=CasePage, openapi_extra=route(purposes=["self_service"]))
async def own_cases(
    subject: Subject,
    tx: Transaction,
    state: Annotated[Annotated[CaseState, OPERATIONAL] | None, Query()] = None,
    cursor: Annotated[CaseId | None, Query()] = None,
    limit: Limit = 20,
) -> object:
    cases = await case_lists.own(tx, subject, state=state, after=cursor, limit=limit + 1)
    shown = [CaseSummary.model_validate(case) for case in cases[:limit]]
    more = shown[-1].id if len(cases) > limit else None
    return CasePage(subject_id=subject, items=shown, next_cursor=more)


@router.get("/{case_id}", response_model=CaseView, openapi_extra=route(purposes=READERS))
async def read_case(case_id: CaseId, caller: AnyCaller, tx: Transaction) -> object:
    case = await case_reach.find(tx, case_id, reach=case_reach.reach(caller))
    return case_view(case, reader=caller)


@router.get(
    "/{case_id}/history",
    response_model=HistoryView,
    openapi_extra=route(purposes=[*READERS, case_reach.OVERSIGHT]),
)
async def read_history(case_id: CaseId, caller: AnyCaller, tx: Transaction) -> object:
    case = await case_reach.find(tx, case_id, reach=case_reach.reach(caller))
    changes = await case_history.history(tx, case_id)
    items = [change_view(change, reader=caller) for change in changes]
    return HistoryView(case_id=case.id, subject_id=case.subject_id, items=items)


@router.get(
    "/{case_id}/messages", response_model=MessagePage, openapi_extra=route(purposes=READERS)
)
async def read_messages(
    case_id: CaseId,
    caller: AnyCaller,
    tx: Transaction,
    cursor: Annotated[CaseMessageId | None, Query()] = None,
    limit: Limit = 50,
) -> object:
    case = await case_reach.find(tx, case_id, reach=case_reach.reach(caller))
    messages = await case_correspondence.page(tx, case_id, after=cursor, limit=limit + 1)
    return MessagePage(
        case_id=case.id,
        subject_id=case.subject_id,
        items=[message_view(message, of=case) for message in messages[:limit]],
        next_cursor=messages[limit - 1].id if len(messages) > limit else None,
    )


@router.post(
    "/{case_id}/messages",
    status_code=201,
    response_model=MessageSent,
    openapi_extra=route(purposes=READERS, scope="case/{case_id}", new="csm", idempotent=True),
)
async def write_in_a_case(
    case_id: CaseId, body: NewMessage, caller: AnyCaller, tx: Transaction, now: Now
) -> object:
    case = await case_reach.find(tx, case_id, reach=case_reach.reach(caller), lock=True)
    return await case_correspondence.add(
        tx,
        case,
        submission(caller, "csm"),
        content=body.content,
        actor=actor(caller),
        now=now,
    )


@router.post("/{case_id}/closure", response_model=CaseView, openapi_extra=route(purposes=READERS))
async def close_case(
    *,
    case_id: CaseId,
    body: CaseEnd,
    caller: AnyCaller,
    response: Response,
    tx: Transaction,
    now: Now,
) -> object:
    """By the assignee; customers may withdraw what they turned to us with."""
    if caller.kind == "customer" and body.outcome is not Outcome.WITHDRAWN:
        raise Unprocessable(errors=[("/outcome", "not_a_choice")])
    case = await case_reach.find(tx, case_id, reach=case_reach.reach(caller), lock=True)
    case_closing.close(tx, case, body.outcome, actor=actor(caller), now=now)
    response.headers[REVOKE] = f"case/{case.id}"
    return case_view(case, reader=caller)


def _concerned(body: NewCase, caller: Caller) -> str:
    """Whose case it is going to be."""
    if caller.kind == "customer" and caller.subject is not None:
        if body.order is not None and body.order.subject_id != caller.subject:
            raise NotAllowed("the order is somebody else's")
        return caller.subject
    if caller.kind == "staff":
        if body.order is None or caller.work != f"order/{body.order.id}":
            raise case_reach.WorkRequired("staff open a case for an order that is their work")
        return body.order.subject_id
    raise NotAllowed("cases are opened by customers and by staff at work")
