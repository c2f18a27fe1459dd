"""With whom a case is: taken from the queue, given to somebody, handed over."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncSession

from customers.domain.case_announcement import announce
from customers.domain.case_history import Actor, Change, remember
from customers.domain.case_reach import CaseClosed
from customers.models import Case, CaseState
from privity_rest import Conflict


class AlreadyAssigned(Conflict):
    code = "already_assigned"
    title = "The case is with somebody else; it can be handed over"


class NotAssigned(Conflict):
    code = "not_assigned"
    title = "The case is with nobody; it can be assigned"


class HandoverReason(StrEnum):
    ABSENCE = "absence"
    WORKLOAD = "workload"
    EXPERTISE = "expertise"
    ESCALATION = "escalation"
    CONFLICT_OF_INTEREST = "conflict_of_interest"


def assign(tx: AsyncSession, case: Case, assignee: str, *, actor: Actor, now: datetime) -> None:
    """The case is locked by the caller. Raises CaseClosed and AlreadyAssigned."""
    _require_running(case)
    if case.assignee == assignee:
        return
    if case.assignee is not None:
        raise AlreadyAssigned(f"case {case.id} is assigned")
    case.state, case.assignee = CaseState.ASSIGNED, assignee
    remember(tx, case, Change.ASSIGNED, actor=actor, now=now)
    announce(tx, "case.assigned", case, now=now)


def hand_over(
    tx: AsyncSession,
    case: Case,
    assignee: str | None,
    *,
    reason: HandoverReason,
    actor: Actor,
    now: datetime,
) -> None:
    """To somebody else, or to nobody: back into the queue.

    The case is locked by the caller. Raises CaseClosed and NotAssigned.
    """
    _require_running(case)
    if case.assignee == assignee:
        return
    if case.assignee is None:
        raise NotAssigned(f"case {case.id} is not assigned")
    case.state = CaseState.OPEN if assignee is None else CaseState.ASSIGNED
    case.assignee = assignee
    remember(tx, case, Change.HANDED_OVER, actor=actor, reason=reason, now=now)
    announce(tx, "case.handed_over", case, now=now)


def _require_running(case: Case) -> None:
    if case.state == CaseState.CLOSED:
        raise CaseClosed(f"case {case.id} is closed")
