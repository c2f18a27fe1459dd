"""What the customer and the assignee write to each other."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from customers.domain.case_history import Actor, Change, remember
from customers.domain.case_reach import CaseClosed
from customers.domain.idempotency import IdempotencyKeyReused, Submission
from customers.models import Case, CaseMessage, CaseState
from privity_contracts import Sealed
from privity_rest import Conflict

MOST = 500


class CaseFull(Conflict):
    code = "case_full"
    title = f"There are {MOST} messages already; open another case"


def write(
    tx: AsyncSession,
    case: Case,
    submission: Submission,
    *,
    content: Sealed,
    actor: Actor,
    now: datetime,
) -> CaseMessage:
    message = CaseMessage(
        id=f"csm_{submission.id[4:]}",
        case_id=case.id,
        author=actor.id,
        content=content,
        sent_at=now,
        fingerprint=submission.fingerprint,
    )
    tx.add(message)
    return message


async def add(
    tx: AsyncSession,
    case: Case,
    submission: Submission,
    *,
    content: Sealed,
    actor: Actor,
    now: datetime,
) -> CaseMessage:
    """The case is locked by the caller. The same request once more gives the same message.

    Raises CaseClosed, CaseFull and IdempotencyKeyReused.
    """
    earlier = await tx.scalar(select(CaseMessage).where(CaseMessage.id == submission.id))
    if earlier is not None:
        if (earlier.case_id, earlier.fingerprint) != (case.id, submission.fingerprint):
            raise IdempotencyKeyReused
        return earlier
    if case.state == CaseState.CLOSED:
        raise CaseClosed(f"case {case.id} is closed")
    held = await tx.scalar(select(func.count()).where(CaseMessage.case_id == case.id))
    if held is not None and held >= MOST:
        raise CaseFull
    remember(tx, case, Change.WRITTEN, actor=actor, now=now)
    return write(tx, case, submission, content=content, actor=actor, now=now)


async def page(
    tx: AsyncSession, case_id: str, *, after: str | None, limit: int
) -> Sequence[CaseMessage]:
    """Oldest first. `after` is the last message of the page before."""
    query = select(CaseMessage).where(CaseMessage.case_id == case_id)
    if after is not None:
        last = select(CaseMessage.sent_at, CaseMessage.id).where(
            CaseMessage.id == after, CaseMessage.case_id == case_id
        )
        query = query.where(tuple_(CaseMessage.sent_at, CaseMessage.id) > last.scalar_subquery())
    oldest_first = query.order_by(CaseMessage.sent_at, CaseMessage.id)
    return (await tx.scalars(oldest_first.limit(limit))).all()
