"""Cases as pages: a customer's own, and what there is to do."""

from collections.abc import Sequence

from sqlalchemy import select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from customers.models import Case, CaseKind, CaseState


async def own(
    tx: AsyncSession, subject: str, *, state: CaseState | None, after: str | None, limit: int
) -> Sequence[Case]:
    """Newest first. `after` is the last case of the page before."""
    theirs = Case.subject_id == subject
    query = select(Case).where(theirs, Case.state == state if state else true())
    if after is not None:
        # Found only among theirs: a cursor tells nobody anything about others' cases.
        last = select(Case.opened_at, Case.id).where(Case.id == after, theirs)
        query = query.where(tuple_(Case.opened_at, Case.id) < last.scalar_subquery())
    newest_first = query.order_by(Case.opened_at.desc(), Case.id.desc())
    return (await tx.scalars(newest_first.limit(limit))).all()


async def to_do(
    tx: AsyncSession,
    *,
    state: CaseState | None,
    kind: CaseKind | None,
    assignee: str | None,
    after: str | None,
    limit: int,
) -> Sequence[Case]:
    """What is not closed, most urgent first."""
    query = select(Case).where(
        Case.state != CaseState.CLOSED,
        Case.state == state if state else true(),
        Case.kind == kind if kind else true(),
        Case.assignee == assignee if assignee else true(),
    )
    if after is not None:
        last = select(Case.due_at, Case.id).where(Case.id == after)
        query = query.where(tuple_(Case.due_at, Case.id) > last.scalar_subquery())
    return (await tx.scalars(query.order_by(Case.due_at, Case.id).limit(limit))).all()
