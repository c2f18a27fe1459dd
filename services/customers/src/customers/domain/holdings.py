"""What is held here of one person, and letting go of it class by class.

Dropping is told by the gateway once the keys are gone; it removes rows and, with the account,
everything that hangs on it: sessions, registrations, addresses, counted attempts, waiting letters.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import Delete, delete, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from customers.domain import attempts
from customers.models import (
    Account,
    Address,
    Case,
    CaseMessage,
    ConsentChange,
    EmailChange,
    Registration,
    Session,
)
from privity_contracts import Sealed
from privity_contracts.holdings import Drop, Holding, holding
from privity_jobs import QueuedJob

_ACCOUNT = frozenset({"identity", "credentials"})


async def held(tx: AsyncSession, subject_id: str) -> list[Holding]:
    found = [await _account(tx, subject_id)]
    for case in await tx.scalars(select(Case).where(Case.subject_id == subject_id)):
        found.append(await _case(tx, case))
    return [each for each in found if each.fields]


async def _account(tx: AsyncSession, subject_id: str) -> Holding:
    sealed: dict[str, Sealed | None] = {}
    plain: dict[str, Sequence[str]] = {}
    account = await tx.get(Account, subject_id)
    if account is not None:
        sealed |= {"name": account.name, "email": account.email, "phone": account.phone}
        plain |= {"user.unique_id": ["id"], "user.authorization.password": ["password"]}
    change = await tx.get(EmailChange, subject_id)
    if change is not None:
        sealed["email_change.email"] = change.email
    addresses = (await tx.scalars(select(Address).where(Address.account_id == subject_id))).all()
    for number, address in enumerate(addresses):
        for name in ("recipient", "phone", "line1", "line2", "city", "region", "postal_code"):
            sealed[f"addresses[{number}].{name}"] = getattr(address, name)
    if addresses:
        plain["user.contact.address.country"] = ["addresses.country"]
    if await tx.scalar(select(Session.id).where(Session.account_id == subject_id).limit(1)):
        plain["user.authorization.refresh_token"] = ["sessions"]
    consents = select(ConsentChange.id).where(ConsentChange.subject_id == subject_id)
    if await tx.scalar(consents.limit(1)):
        plain["user.privacy_preferences"] = ["consents"]
    return holding(f"account/{subject_id}", sealed, plain)


async def _case(tx: AsyncSession, case: Case) -> Holding:
    messages = await tx.execute(
        select(CaseMessage.id, CaseMessage.content).where(CaseMessage.case_id == case.id)
    )
    return holding(
        f"case/{case.id}",
        {f"messages[{number}].content": content for number, (_, content) in enumerate(messages)},
        {"user.behavior": ["kind", "state", "opened_at"]},
    )


async def drop(tx: AsyncSession, told: Drop) -> int:
    gone, (kind, _, name) = set(told.classes), told.scope.partition("/")
    if kind == "case":
        return await _drop_case(tx, name, told.subject_id) if "case" in gone else 0
    if kind != "account" or name != told.subject_id:
        return 0
    rows = 0
    if "consent" in gone:
        mine = ConsentChange.subject_id == name
        rows += await _rows(tx, delete(ConsentChange).where(mine))
    if "delivery" in gone:
        rows += await _rows(tx, delete(Address).where(Address.account_id == name))
    if gone & _ACCOUNT:
        rows += await _drop_account(tx, name)
    return rows


async def _drop_account(tx: AsyncSession, account_id: str) -> int:
    account = await tx.scalar(select(Account).where(Account.id == account_id).with_for_update())
    if account is None:
        return 0
    # Under a form that the account does not have any more, they go with the hourly sweep.
    counted = [*attempts.signing_in(account.email_index), *attempts.own_password(account_id)]
    await attempts.forget(tx, counted)
    await forget_letters(tx, [account_id])
    return await _rows(tx, delete(Account).where(Account.id == account_id))


async def forget_letters(tx: AsyncSession, account_ids: Collection[str]) -> None:
    """Letters that still wait to be written, and those that were given up."""
    requests = [
        *await tx.scalars(select(Registration.id).where(Registration.account_id.in_(account_ids))),
        *await tx.scalars(
            select(EmailChange.request_id).where(EmailChange.account_id.in_(account_ids))
        ),
    ]
    await tx.execute(delete(QueuedJob).where(QueuedJob.key.in_(requests)))


async def _drop_case(tx: AsyncSession, case_id: str, subject_id: str) -> int:
    theirs = (Case.id == case_id, Case.subject_id == subject_id)
    return await _rows(tx, delete(Case).where(*theirs))


async def _rows(tx: AsyncSession, statement: Delete) -> int:
    return len((await tx.execute(statement.returning(literal(1)))).all())
