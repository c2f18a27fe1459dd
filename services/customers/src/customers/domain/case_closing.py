"""Closing a case, for good: a new matter is a new case, with a due date of its own."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from customers.domain.case_announcement import announce
from customers.domain.case_history import Actor, Change, remember
from customers.domain.case_reach import CaseClosed
from customers.models import Case, CaseState, Outcome


def close(tx: AsyncSession, case: Case, outcome: Outcome, *, actor: Actor, now: datetime) -> None:
    """The case is locked by the caller. Raises CaseClosed when it ended otherwise."""
    if case.state == CaseState.CLOSED:
        if case.outcome != outcome:
            raise CaseClosed(f"case {case.id} is closed")
        return
    case.state, case.outcome, case.closed_at = CaseState.CLOSED, outcome, now
    remember(tx, case, Change.CLOSED, actor=actor, reason=outcome, now=now)
    announce(tx, "case.closed", case, now=now)
