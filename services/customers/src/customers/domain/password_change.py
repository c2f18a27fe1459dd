"""A new password, for whoever knows the old one. Every other session ends."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from customers.domain import attempts, session
from customers.models import Account, AccountState
from privity_rest import NotAllowed


class PasswordNotRight(NotAllowed):
    code = "password_not_right"
    title = "The present password is not right"


async def present_hash(tx: AsyncSession, account_id: str) -> str | None:
    return await tx.scalar(
        select(Account.password_hash).where(
            Account.id == account_id, Account.state == AccountState.ACTIVE
        )
    )


async def change(
    tx: AsyncSession,
    account_id: str,
    *,
    verified_hash: str,
    new_hash: str,
    keep: str | None,
    now: datetime,
) -> Sequence[str]:
    """After the present password was found right. `keep` is the session that goes on; the answer
    is the sessions that ended."""
    account = await tx.scalar(select(Account).where(Account.id == account_id).with_for_update())
    # Of two changes at once the second checked a password that is no longer the present one.
    if account is None or account.password_hash != verified_hash:
        raise PasswordNotRight
    account.password_hash = new_hash
    await attempts.forget(tx, attempts.own_password(account_id))
    return await session.end_others(tx, account_id, but=keep, now=now)
