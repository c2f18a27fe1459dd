"""Opening an account: the same answer for everyone, and a letter that decides.

The request does the same whether or not the e-mail address has an account: it never looks. The
job behind it writes to the mailbox: a code for a new account, or word to the owner that there is
one. Whoever asked learns nothing; whoever reads the mailbox learns what is theirs to know.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from customers.clients.messages import Template
from customers.domain import one_time_code
from customers.models import Account, AccountState, Registration
from privity_contracts import BlindIndex, Sealed
from privity_contracts.ids import mint
from privity_jobs import enqueue

LIFE = timedelta(hours=24)
LETTER = "registration_letter"


@dataclass(frozen=True, slots=True)
class Applicant:
    """What somebody says about themselves, as the gateway sealed it."""

    name: Sealed
    email: Sealed
    email_index: BlindIndex
    phone: Sealed
    phone_index: BlindIndex


@dataclass(frozen=True, slots=True)
class Letter:
    """Whom to write what. `code_salt` is there when the letter carries a code."""

    template: Template
    subject_id: str
    email: Sealed
    code_salt: bytes | None = None


async def begin(
    tx: AsyncSession, applicant: Applicant, *, account_id: str, password_hash: str, now: datetime
) -> Registration:
    account = Account(
        id=account_id,
        state=AccountState.PENDING,
        name=applicant.name,
        email=applicant.email,
        email_index=applicant.email_index,
        phone=applicant.phone,
        phone_index=applicant.phone_index,
        password_hash=password_hash,
        created_at=now,
    )
    tx.add(account)
    await tx.flush()
    registration = Registration(id=mint("reg"), account_id=account_id, expires_at=now + LIFE)
    tx.add(registration)
    await enqueue(tx, LETTER, {"request_id": registration.id}, key=registration.id)
    return registration


async def letter(tx: AsyncSession, registration_id: str, *, now: datetime) -> Letter | None:
    """Decided anew at each try, because the address may have been taken meanwhile."""
    found = (
        await tx.execute(
            select(Registration, Account)
            .join(Account, Account.id == Registration.account_id)
            .where(Registration.id == registration_id, Registration.expires_at > now)
            .with_for_update()
        )
    ).one_or_none()
    if found is None:
        return None
    registration, account = found
    if account.state != AccountState.PENDING:
        return None
    owner = await tx.scalar(
        select(Account).where(
            Account.email_index == account.email_index, Account.state == AccountState.ACTIVE
        )
    )
    if owner is not None:
        # To the address as its owner gave it, sealed for them: what was typed now is a stranger's.
        return Letter("already_registered", owner.id, owner.email)
    if registration.code_salt is None:
        registration.code_salt = one_time_code.fresh_salt()
    return Letter("confirm_registration", account.id, account.email, registration.code_salt)


async def discard(tx: AsyncSession, registration_id: str) -> None:
    """Forgets what an applicant said. Confirming looks as it does with a wrong code."""
    account_id = select(Registration.account_id).where(Registration.id == registration_id)
    await tx.execute(
        delete(Account).where(
            Account.id == account_id.scalar_subquery(), Account.state == AccountState.PENDING
        )
    )
