"""What nobody needs any more goes: registrations nobody confirmed, sessions that are over."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from customers.domain import attempts
from customers.domain.account_announcement import announce_closed
from customers.models import (
    Account,
    AccountState,
    AttemptCount,
    EmailChange,
    Registration,
    Session,
)
from privity_jobs import enqueue

SWEEP = "sweep"
EVERY = timedelta(hours=1)


async def schedule(tx: AsyncSession, *, at: datetime) -> None:
    """One sweep per hour, however many processes ask for it."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    await enqueue(tx, SWEEP, {}, key=hour.strftime("%Y-%m-%dT%H"), run_at=hour)


async def sweep(tx: AsyncSession, *, now: datetime) -> None:
    expired = select(Registration.account_id).where(Registration.expires_at <= now)
    pending = (Account.state == AccountState.PENDING, Account.id.in_(expired))
    for account_id in await tx.scalars(delete(Account).where(*pending).returning(Account.id)):
        announce_closed(tx, account_id, now=now)
    await tx.execute(delete(Registration).where(Registration.expires_at <= now))
    await tx.execute(delete(EmailChange).where(EmailChange.expires_at <= now))
    await tx.execute(delete(Session).where(_is_over(now)))
    await tx.execute(
        delete(AttemptCount).where(AttemptCount.since <= now - attempts.PASSWORD.window)
    )


def _is_over(now: datetime) -> ColumnElement[bool]:
    # An ended session may go at once: its tokens are refused as unknown ones are.
    return or_(Session.ended_at.is_not(None), Session.ends_at <= now, Session.idle_until <= now)
