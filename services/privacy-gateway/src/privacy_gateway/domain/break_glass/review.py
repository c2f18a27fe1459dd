"""Looking at an emergency afterwards: somebody else says whether it was one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.models import BreakGlass
from privity_rest import Conflict, NotAllowed, NotFound

Outcome = Literal["justified", "not_justified"]
State = Literal["pending", "reviewed"]


class OpeningNotFound(NotFound):
    code = "break_glass_not_found"


class OwnEmergency(NotAllowed):
    code = "own_break_glass"
    title = "Nobody reviews what they did themselves"


class AlreadyReviewed(Conflict):
    code = "already_reviewed"


async def page(
    tx: AsyncSession, *, state: State | None, after: str | None, limit: int
) -> Sequence[BreakGlass]:
    """Newest first. Raises OpeningNotFound for an unknown place to go on from."""
    query = select(BreakGlass).order_by(BreakGlass.opened_at.desc(), BreakGlass.id.desc())
    if state is not None:
        pending = BreakGlass.outcome.is_(None)
        query = query.where(pending if state == "pending" else ~pending)
    if after is not None:
        last = await find(tx, after)
        place = tuple_(BreakGlass.opened_at, BreakGlass.id)
        query = query.where(place < (last.opened_at, last.id))
    return (await tx.scalars(query.limit(limit))).all()


async def find(tx: AsyncSession, opening_id: str) -> BreakGlass:
    """Raises OpeningNotFound."""
    opening = await tx.get(BreakGlass, opening_id)
    if opening is None:
        raise OpeningNotFound(opening_id)
    return opening


async def review(
    tx: AsyncSession, opening_id: str, *, outcome: Outcome, by: str, now: datetime
) -> BreakGlass:
    """Raises OpeningNotFound, OwnEmergency, AlreadyReviewed."""
    opening = await tx.get(BreakGlass, opening_id, with_for_update=True)
    if opening is None:
        raise OpeningNotFound(opening_id)
    if opening.staff_id == by:
        raise OwnEmergency(opening_id)
    if opening.outcome is None:
        opening.outcome, opening.reviewed_by, opening.reviewed_at = outcome, by, now
    elif opening.outcome != outcome:
        raise AlreadyReviewed(opening_id)
    return opening
