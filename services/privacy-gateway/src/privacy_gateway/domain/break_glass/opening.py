"""Breaking the glass: what is written down before anything opens."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.domain.policy.limits import BreakGlass as Terms
from privacy_gateway.models import BreakGlass
from privity_contracts import ids


def work_of(opening_id: str) -> str:
    """What a grant for it names in place of work, and what ends it."""
    return f"break-glass/{opening_id}"


def new_id() -> str:
    return ids.mint("brk")


async def write_down(
    tx: AsyncSession,
    opening_id: str,
    *,
    staff_id: str,
    role: str,
    reason: str,
    ticket: str,
    terms: Terms,
    now: datetime,
) -> None:
    """The data protection officer is told of what stands here, and nothing opens that does not."""
    tx.add(
        BreakGlass(
            id=opening_id,
            staff_id=staff_id,
            role=role,
            reason=reason,
            ticket=ticket,
            opened_at=now,
            ends_at=now + timedelta(minutes=terms.minutes),
            review_by=now + timedelta(days=terms.review_days),
            tries=0,
            next_try_at=now,
        )
    )
