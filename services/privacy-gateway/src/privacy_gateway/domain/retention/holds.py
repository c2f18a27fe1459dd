"""Legal holds: while one stands, nothing that it covers goes, whatever the clocks say."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.models import Deletion, LegalHold
from privity_contracts import ids
from privity_rest import Conflict, NotFound

Reason = Literal["litigation", "authority_order", "payment_dispute", "audit"]


SETTLED: Final = "settled"
"""The step of a deletion from which on it is too late to keep anything back."""
_BEFORE: Final = frozenset({None, "decided", "signed_out", "customer_told"})


class HoldNotFound(NotFound):
    code = "hold_not_found"


class TooLateToHold(Conflict):
    code = "too_late_to_hold"
    title = "This person's keys are being destroyed already"


async def place(
    tx: AsyncSession,
    subject_id: str,
    scope: str | None,
    *,
    reason: Reason,
    by: str,
    now: datetime,
) -> LegalHold:
    """Raises TooLateToHold: a hold that stands has kept what it covers."""
    await _alone(tx, subject_id)
    under_way = select(Deletion).where(Deletion.subject_id == subject_id).with_for_update()
    deletion = await tx.scalar(under_way)
    if deletion is not None and deletion.step not in _BEFORE:
        raise TooLateToHold(deletion.id)
    hold = LegalHold(
        id=ids.mint("hld"),
        subject_id=subject_id,
        scope=scope,
        reason=reason,
        placed_by=by,
        placed_at=now,
    )
    tx.add(hold)
    await tx.flush()
    return hold


async def release(tx: AsyncSession, hold_id: str, *, by: str, now: datetime) -> LegalHold:
    """Released already is fine. Raises HoldNotFound."""
    hold = await tx.get(LegalHold, hold_id, with_for_update=True)
    if hold is None:
        raise HoldNotFound(hold_id)
    if hold.released_at is None:
        hold.released_by, hold.released_at = by, now
    return hold


async def keeping(tx: AsyncSession, subject_id: str, scope: str | None) -> LegalHold | None:
    """What keeps this scope, or anything of this person; until the transaction ends, nobody else
    places one."""
    await _alone(tx, subject_id)
    found = await standing(tx, [subject_id])
    return next(iter(found), None) if scope is None else covering(found, subject_id, scope)


async def _alone(tx: AsyncSession, subject_id: str) -> None:
    lock = func.hashtextextended(f"legal hold {subject_id}", 0)
    await tx.execute(select(func.pg_advisory_xact_lock(lock)))


async def standing(tx: AsyncSession, subjects: Collection[str]) -> Sequence[LegalHold]:
    return (
        await tx.scalars(
            select(LegalHold).where(
                LegalHold.subject_id.in_(subjects), LegalHold.released_at.is_(None)
            )
        )
    ).all()


def covering(holds: Collection[LegalHold], subject_id: str, scope: str) -> LegalHold | None:
    """The one that keeps this, if any: of the whole person, or of this scope alone."""
    for hold in holds:
        if hold.subject_id == subject_id and hold.scope in {None, scope}:
            return hold
    return None
