"""Letting somebody see more customers for a while: given by one, looked at again by another.

A raise counts at once, because the work does not wait. Unless somebody else confirms it, it counts
for a day only; nobody gives one to themselves.
"""

from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.domain.staff.directory import NobodyThere
from privacy_gateway.models import BudgetRaise, StaffMember
from privity_rest import Conflict, NotAllowed, NotFound, Unprocessable

Reason = Literal["seasonal_peak", "staff_shortage", "incident", "authority_request"]
Outcome = Literal["confirmed", "withdrawn"]
LONGEST: Final = timedelta(days=7)


class RaiseNotFound(NotFound):
    code = "raise_not_found"


class OwnBudget(NotAllowed):
    code = "own_budget"
    title = "Nobody decides about their own budget"


class NoSecondLook(NotAllowed):
    code = "second_person_needed"
    title = "The second look is another person's"


class AlreadyReviewed(Conflict):
    code = "already_reviewed"


class AnotherRaise(Unprocessable):
    code = "idempotency_key_reused"
    title = "This Idempotency-Key came with another request"


async def give(
    tx: AsyncSession,
    raise_id: str,
    *,
    staff_id: str,
    extra: int,
    reason: Reason,
    given_by: str,
    ends_at: datetime,
    now: datetime,
) -> tuple[BudgetRaise, bool]:
    """The raise, and whether it is new: the same one asked for again is the same one.

    Raises NobodyThere, OwnBudget, AnotherRaise, and Unprocessable for an end out of bounds.
    """
    if staff_id == given_by:
        raise OwnBudget(staff_id)
    if not now < ends_at <= now + LONGEST:
        raise Unprocessable(errors=[("/ends_at", "at_most_7_days")])
    if await tx.get(StaffMember, staff_id) is None:
        raise NobodyThere(staff_id)
    said = {"staff_id": staff_id, "extra": extra, "reason": reason, "ends_at": ends_at}
    fresh = insert(BudgetRaise).values(id=raise_id, given_by=given_by, given_at=now, **said)
    new = await tx.scalar(fresh.on_conflict_do_nothing().returning(BudgetRaise.id))
    given = await tx.get_one(BudgetRaise, raise_id)
    if any(getattr(given, name) != value for name, value in said.items()):
        raise AnotherRaise(raise_id)
    return given, new is not None


async def review(
    tx: AsyncSession, raise_id: str, *, staff_id: str, outcome: Outcome, by: str, now: datetime
) -> BudgetRaise:
    """Raises RaiseNotFound, OwnBudget, NoSecondLook, AlreadyReviewed."""
    given = await tx.scalar(
        select(BudgetRaise)
        .where(BudgetRaise.id == raise_id, BudgetRaise.staff_id == staff_id)
        .with_for_update()
    )
    if given is None:
        raise RaiseNotFound(raise_id)
    if by == given.staff_id:
        raise OwnBudget(staff_id)
    # Whoever gave it may take it back; to confirm it takes somebody else.
    if by == given.given_by and outcome == "confirmed":
        raise NoSecondLook(raise_id)
    if given.outcome is None:
        given.outcome, given.reviewed_by, given.reviewed_at = outcome, by, now
    elif given.outcome != outcome:
        raise AlreadyReviewed(raise_id)
    return given


async def of(tx: AsyncSession, staff_id: str) -> list[BudgetRaise]:
    """Newest first."""
    query = select(BudgetRaise).where(BudgetRaise.staff_id == staff_id)
    return list(await tx.scalars(query.order_by(BudgetRaise.given_at.desc()).limit(100)))
