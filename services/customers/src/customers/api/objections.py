"""Accesses that a customer does not recognise: each becomes a complaint, once.

Only the gateway can tell that a record is about this customer, so only the gateway writes here.
"""

from typing import Annotated

from fastapi import APIRouter
from pydantic import StringConstraints

from customers.api import Now
from customers.api.case_views import CaseOpened, Text
from customers.domain.case_history import Actor
from customers.domain.case_opening import open_case
from customers.domain.idempotency import Submission
from customers.models import CaseKind
from privity_contracts import OPERATIONAL, Contract, route
from privity_contracts.ids import CaseId, RecordId, SubjectId
from privity_database import Transaction
from privity_rest import NotAllowed, ServiceCaller

router = APIRouter(prefix="/v1/objections", tags=["objections"])
Fingerprint = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$"), OPERATIONAL]


class NewObjection(Contract, subject="subject_id", scope="case/id"):
    """The same record gives the same `id` and `fingerprint`, whatever is said of it."""

    id: CaseId
    record_id: RecordId
    subject_id: SubjectId
    message: Text
    fingerprint: Fingerprint


@router.post(
    "",
    status_code=201,
    response_model=CaseOpened,
    openapi_extra=route(purposes=["internal"]),
)
async def object_to_an_access(
    body: NewObjection, caller: ServiceCaller, tx: Transaction, now: Now
) -> object:
    if caller.actor != "svc_privacy-gateway":
        raise NotAllowed("for the gateway itself")
    return await open_case(
        tx,
        Submission(body.id, body.fingerprint),
        kind=CaseKind.COMPLAINT,
        subject=body.subject_id,
        record=body.record_id,
        message=body.message,
        actor=Actor(body.subject_id, "customer"),
        now=now,
    )
