"""Signing in with an e-mail address and a password.

No account, an account that is still pending, and a wrong password are one refusal after the same
statements and one argon2 computation.
"""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from customers.domain import attempts, session
from customers.domain.account_announcement import announce_active
from customers.models import Account, AccountState
from privity_contracts import BlindIndex
from privity_rest import Unauthenticated


class SignInRefused(Unauthenticated):
    code = "sign_in_refused"
    title = "The e-mail address or the password is not right"


@dataclass(frozen=True, slots=True)
class Credential:
    account_id: str
    password_hash: str = field(repr=False)


async def credential(tx: AsyncSession, email_index: BlindIndex) -> Credential | None:
    row = (
        await tx.execute(
            select(Account.id, Account.password_hash).where(
                Account.email_index == email_index, Account.state == AccountState.ACTIVE
            )
        )
    ).one_or_none()
    return None if row is None else Credential(row.id, row.password_hash)


async def admit(
    tx: AsyncSession,
    verified: Credential,
    *,
    email_index: BlindIndex,
    renewed_hash: str | None,
    now: datetime,
) -> session.Opened:
    """After the password was found right. `renewed_hash` replaces one with old parameters."""
    account = await tx.scalar(
        select(Account).where(Account.id == verified.account_id).with_for_update()
    )
    # The password may have been changed while this one was checked: its sessions are over.
    if account is None or account.password_hash != verified.password_hash:
        raise SignInRefused
    if renewed_hash is not None:
        account.password_hash = renewed_hash
    announce_active(tx, account, now=now)
    await attempts.forget(tx, attempts.signing_in(email_index))
    return await session.open_session(tx, account.id, now=now)
