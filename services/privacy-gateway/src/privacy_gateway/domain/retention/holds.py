"""Legal holds: while one stands, nothing that it covers goes, whatever the clocks say."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.models import LegalHold
from privity_contracts import ids
from privity_rest import NotFound

Reason = Literal["litigation", "authority_order", "payment_dispute", "audit"]


class HoldNotFound(NotFound):
    code = "hold_not_found"


async def place(
    tx: AsyncSession,
    subject_id: str,
    scope: str | None,
    *,
    reason: Reason,
    by: str,
    now: datetime,
) -> LegalHold:
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
