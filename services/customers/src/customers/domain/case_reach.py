"""Whose cases a caller reaches. What is out of reach looks as if it did not exist."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from customers.models import Case, CaseState
from privity_contracts.ids import is_id
from privity_rest import Caller, Conflict, NotAllowed, NotFound

OVERSIGHT = "case_assignment"
"""The purpose of those who give out cases and so reach all of them, though not what they say."""


class CaseNotFound(NotFound):
    code = "case_not_found"


class CaseClosed(Conflict):
    code = "case_closed"
    title = "The case is closed; open another one"


class WorkRequired(NotAllowed):
    """Staff reach a case because it is assigned to them, so without it they reach none."""

    code = "work_required"


@dataclass(frozen=True, slots=True)
class Reach:
    """Every member that is given narrows; none given reaches everything."""

    subject: str | None = None
    case: str | None = None
    assignee: str | None = None

    def condition(self) -> ColumnElement[bool]:
        pairs = (
            (Case.subject_id, self.subject),
            (Case.id, self.case),
            (Case.assignee, self.assignee),
        )
        return and_(true(), *(column == wanted for column, wanted in pairs if wanted is not None))


def reach(caller: Caller) -> Reach:
    """Raises WorkRequired for staff without a case, NotAllowed for whom cases are no business."""
    if caller.kind == "customer" and caller.subject:
        return Reach(subject=caller.subject)
    if caller.kind == "staff":
        if caller.purpose == OVERSIGHT:
            return Reach()
        kind, _, name = (caller.work or "").partition("/")
        if kind == "case" and is_id(name, "cas"):
            # The assignee as of now: a grant may be older than a handover.
            return Reach(case=name, assignee=caller.actor)
        raise WorkRequired("a case is reached by whom it is assigned to")
    raise NotAllowed("cases are for their customers and for staff at work")


async def find(tx: AsyncSession, case_id: str, *, reach: Reach, lock: bool = False) -> Case:
    """Raises CaseNotFound, and CaseClosed for an assignee: their work ended with the case."""
    query = select(Case).where(Case.id == case_id, reach.condition())
    case = await tx.scalar(query.with_for_update() if lock else query)
    if case is None:
        raise CaseNotFound(f"no case {case_id}")
    if reach.assignee is not None and case.state == CaseState.CLOSED:
        raise CaseClosed(f"case {case_id} is closed")
    return case
