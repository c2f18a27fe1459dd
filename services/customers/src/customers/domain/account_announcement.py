"""What others are told about an account: that it is used, or gone. Retention counts from there."""

from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from customers.models import Account
from privity_contracts.events import Event
from privity_contracts.ids import mint
from privity_jobs import publish

TOLD_EVERY = timedelta(days=1)


def announce_active(tx: AsyncSession, account: Account, *, now: datetime) -> None:
    """Once a day at most: an account in daily use is no news."""
    if account.active_at is None or now - account.active_at >= TOLD_EVERY:
        account.active_at = now
        _announce(tx, "account.active", account.id, now=now)


def announce_closed(tx: AsyncSession, account_id: str, *, now: datetime) -> None:
    _announce(tx, "account.closed", account_id, now=now)


def _announce(
    tx: AsyncSession,
    what: Literal["account.active", "account.closed"],
    account_id: str,
    *,
    now: datetime,
) -> None:
    event_id, data = mint("evt", clock=now.timestamp), {"subject_id": account_id}
    publish(tx, Event(id=event_id, type=what, occurred_at=now.astimezone(UTC), data=data))
