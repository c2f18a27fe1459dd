"""What others are told about a case: which one, and with whom it is now. Grants end with it."""

from datetime import UTC, datetime
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from customers.models import Case
from privity_contracts.events import Event
from privity_contracts.ids import mint
from privity_jobs import publish


def announce(
    tx: AsyncSession,
    what: Literal["case.assigned", "case.handed_over", "case.closed"],
    case: Case,
    *,
    now: datetime,
) -> None:
    data = {"case_id": case.id}
    if case.assignee is not None:
        data["assignee"] = case.assignee
    event_id = mint("evt", clock=now.timestamp)
    publish(tx, Event(id=event_id, type=what, occurred_at=now.astimezone(UTC), data=data))
