"""Another e-mail address: wished for with the password, had by whoever reads its mailbox.

The request does the same whether or not the wanted address has an account, like a registration.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from customers.domain import one_time_code, profile
from customers.domain.confirmation import CodeNotAccepted, claim_email
from customers.domain.one_time_code import MOST_ATTEMPTS
from customers.domain.password_change import PasswordNotRight
from customers.domain.registration import Letter
from customers.models import Account, AccountState, EmailChange
from privity_contracts import BlindIndex, Sealed
from privity_contracts.ids import mint
from privity_jobs import enqueue

LIFE = timedelta(hours=24)
LETTER = "email_change_letter"


async def ask(
    tx: AsyncSession,
    account_id: str,
    *,
    email: Sealed,
    email_index: BlindIndex,
    verified_hash: str,
    now: datetime,
) -> datetime:
    """After the password was found right. A later wish takes the place of an earlier one."""
    account = await profile.own(tx, account_id, lock=True)
    if account.password_hash != verified_hash:
        raise PasswordNotRight
    even, odd = email_index.slots
    wish = {
        "request_id": mint("req"),
        "email": email,
        "email_index_even": even,
        "email_index_odd": odd,
        "code_salt": None,
        "attempts": 0,
        "confirmed_at": None,
        "expires_at": now + LIFE,
    }
    await tx.execute(
        insert(EmailChange)
        .values(account_id=account_id, **wish)
        .on_conflict_do_update(index_elements=[EmailChange.account_id], set_=wish)
    )
    request_id = str(wish["request_id"])
    await enqueue(tx, LETTER, {"request_id": request_id}, key=request_id)
    return now + LIFE


async def letter(tx: AsyncSession, request_id: str, *, now: datetime) -> Letter | None:
    """Decided anew at each try, because the address may have been taken meanwhile."""
    change = await tx.scalar(
        select(EmailChange)
        .where(
            EmailChange.request_id == request_id,
            EmailChange.expires_at > now,
            EmailChange.confirmed_at.is_(None),
        )
        .with_for_update()
    )
    if change is None:
        return None
    owner = await tx.scalar(
        select(Account).where(
            Account.email_index == change.email_index,
            Account.state == AccountState.ACTIVE,
            Account.id != change.account_id,
        )
    )
    if owner is not None:
        return Letter("already_registered", owner.id, owner.email)
    if change.code_salt is None:
        change.code_salt = one_time_code.fresh_salt()
    return Letter("confirm_email_change", change.account_id, change.email, change.code_salt)


async def discard(tx: AsyncSession, request_id: str) -> None:
    await tx.execute(delete(EmailChange).where(EmailChange.request_id == request_id))


async def count_attempt(
    tx: AsyncSession, account_id: str, *, now: datetime
) -> tuple[str, bytes | None]:
    """The request and the salt of its code, if attempts are left. In a transaction of its own."""
    row = (
        await tx.execute(
            update(EmailChange)
            .where(
                EmailChange.account_id == account_id,
                EmailChange.expires_at > now,
                EmailChange.attempts < MOST_ATTEMPTS,
            )
            .values(attempts=EmailChange.attempts + 1)
            .returning(EmailChange.request_id, EmailChange.code_salt)
        )
    ).one_or_none()
    return ("", None) if row is None else (row.request_id, row.code_salt)


async def confirm(tx: AsyncSession, account_id: str, *, request_id: str, now: datetime) -> Account:
    """After the code was found right. Once more is the same as once."""
    account = await profile.own(tx, account_id, lock=True)
    change = await tx.scalar(
        select(EmailChange).where(
            EmailChange.account_id == account_id, EmailChange.request_id == request_id
        )
    )
    # Another wish may have taken its place while the code was checked.
    if change is None:
        raise CodeNotAccepted
    change.attempts = 0
    if change.confirmed_at is None:
        change.confirmed_at = now
        account.email, account.email_index = change.email, change.email_index
        await claim_email(tx)
    return account
