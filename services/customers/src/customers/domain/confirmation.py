"""A pending account becomes active for whoever has the code.

Wrong, expired, tried too often, never there, and too late because the address has an account by
now: all one refusal. A difference would tell a stranger who is a customer.
"""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from customers.domain.one_time_code import MOST_ATTEMPTS
from customers.models import Account, AccountState, Registration
from privity_rest import Unprocessable

UNIQUE_VIOLATION = "23505"


class CodeNotAccepted(Unprocessable):
    code = "code_not_accepted"
    title = "The code is not accepted"


async def count_attempt(tx: AsyncSession, registration_id: str, *, now: datetime) -> bytes | None:
    """The salt of the code, if there is one and attempts are left. In a transaction of its own."""
    return await tx.scalar(
        update(Registration)
        .where(
            Registration.id == registration_id,
            Registration.expires_at > now,
            Registration.attempts < MOST_ATTEMPTS,
        )
        .values(attempts=Registration.attempts + 1)
        .returning(Registration.code_salt)
    )


async def confirm(tx: AsyncSession, registration_id: str, *, now: datetime) -> None:
    """After the code was found right. Once more is the same as once."""
    found = (
        await tx.execute(
            select(Registration, Account)
            .join(Account, Account.id == Registration.account_id)
            .where(Registration.id == registration_id)
            .with_for_update()
        )
    ).one_or_none()
    if found is None:
        raise CodeNotAccepted
    registration, account = found
    # Whoever has the code may repeat it, however often the answer is lost.
    registration.attempts = 0
    if account.state == AccountState.ACTIVE:
        return
    account.state = AccountState.ACTIVE
    account.confirmed_at = now
    await claim_email(tx)


async def claim_email(tx: AsyncSession) -> None:
    """Writes what is pending. Of several who claim one address, the first to commit has it."""
    try:
        await tx.flush()
    except IntegrityError as taken:
        if getattr(taken.orig, "sqlstate", None) != UNIQUE_VIOLATION:
            raise
        raise CodeNotAccepted from None
