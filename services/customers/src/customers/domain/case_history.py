"""What happened to a case, and who may know which member of the staff it was."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from customers.models import Case, CaseChange


class Change(StrEnum):
    OPENED = "opened"
    ASSIGNED = "assigned"
    HANDED_OVER = "handed_over"
    WRITTEN = "written"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Actor:
    id: str
    role: str


def remember(
    tx: AsyncSession,
    case: Case,
    what: Change,
    *,
    actor: Actor,
    reason: str | None = None,
    now: datetime,
) -> None:
    """With whom the case is from now on."""
    tx.add(
        CaseChange(
            case_id=case.id,
            what=what,
            actor=actor.id,
            role=actor.role,
            assignee=case.assignee,
            reason=reason,
            at=now,
        )
    )


async def history(tx: AsyncSession, case_id: str) -> Sequence[CaseChange]:
    query = select(CaseChange).where(CaseChange.case_id == case_id).order_by(CaseChange.id)
    return (await tx.scalars(query)).all()
