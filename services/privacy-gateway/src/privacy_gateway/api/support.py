"""What a support agent needs to see of a case, in one call."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from privacy_gateway.api.arrival import of
from privacy_gateway.domain.passage.support_view import SupportView
from privacy_gateway.domain.tokens.caller import Caller
from privity_contracts import ids
from privity_rest import NotFound, Unauthenticated, Unavailable

router = APIRouter()

READ_SECONDS = 1.8  # an answer, or an honest 503, within two seconds


class CaseNotFound(NotFound):
    code = "case_not_found"


class TookTooLong(Unavailable):
    code = "took_too_long"


PATH = "/v1/cases/{case_id}/view"


@router.get(PATH)
async def view_of_a_case(request: Request, case_id: str) -> dict[str, Any]:
    """The case with its messages, its customer, and the order that it is about with its delivery,
    history and shipment: each as far as the grant's purpose needs it, with a `privacy` of its own.
    """
    arrival = of(request)
    arrival.route = PATH
    caller: Caller = request.scope["privity.caller"]
    view: SupportView = request.app.state.support_view
    if caller.kind == "visitor":
        raise Unauthenticated("sign in first")
    if not ids.is_id(case_id, "cas"):
        raise CaseNotFound("there is no such case")
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await view.of(case_id, caller=caller, request_id=arrival.request_id)
    except TimeoutError:
        raise TookTooLong("no answer in time") from None
