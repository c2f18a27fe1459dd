"""Opening a case: by a customer, or for one by whoever works on their order."""

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from customers.domain import profile
from customers.domain.case_correspondence import write
from customers.domain.case_history import Actor, Change, remember
from customers.domain.idempotency import IdempotencyKeyReused, Submission
from customers.models import Case, CaseKind, CaseState
from privity_contracts import Sealed
from privity_rest import Conflict

MOST_OPEN = 20

# How long a customer waits for an answer at the most. A rights request has a month by law; the
# shortest month decides.
DUE_WITHIN = {
    CaseKind.ENQUIRY: timedelta(days=3),
    CaseKind.COMPLAINT: timedelta(days=7),
    CaseKind.FEEDBACK: timedelta(days=14),
    CaseKind.RETURN: timedelta(days=7),
    CaseKind.RIGHTS_REQUEST: timedelta(days=28),
}


class TooManyOpenCases(Conflict):
    code = "too_many_open_cases"
    title = f"{MOST_OPEN} cases are open already; write in one of them"


async def open_case(
    tx: AsyncSession,
    submission: Submission,
    *,
    kind: CaseKind,
    subject: str,
    order: str | None = None,
    record: str | None = None,
    message: Sealed,
    actor: Actor,
    now: datetime,
) -> Case:
    """The same request once more gives the same case, as it is by now.

    Raises AccountNotFound, TooManyOpenCases and IdempotencyKeyReused.
    """
    await profile.own(tx, subject, lock=True)
    earlier = await tx.scalar(select(Case).where(Case.id == submission.id))
    if earlier is not None:
        if (earlier.subject_id, earlier.fingerprint) != (subject, submission.fingerprint):
            raise IdempotencyKeyReused
        return earlier
    waiting = await tx.scalar(
        select(func.count()).where(Case.subject_id == subject, Case.state != CaseState.CLOSED)
    )
    if waiting is not None and waiting >= MOST_OPEN:
        raise TooManyOpenCases
    case = Case(
        id=submission.id,
        kind=kind,
        subject_id=subject,
        order_id=order,
        record_id=record,
        state=CaseState.OPEN,
        opened_at=now,
        due_at=now + DUE_WITHIN[kind],
        fingerprint=submission.fingerprint,
    )
    tx.add(case)
    await tx.flush()
    remember(tx, case, Change.OPENED, actor=actor, now=now)
    write(tx, case, submission, content=message, actor=actor, now=now)
    return case
