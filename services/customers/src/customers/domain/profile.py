"""Who a customer is, as far as the shop needs to know."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from customers.models import Account, AccountState
from privity_contracts import BlindIndex, Sealed
from privity_rest import NotFound


class AccountNotFound(NotFound):
    code = "account_not_found"


async def own(tx: AsyncSession, account_id: str, *, lock: bool = False) -> Account:
    """The customer's account. `lock` makes others who change it wait until this is done."""
    found = select(Account).where(Account.id == account_id, Account.state == AccountState.ACTIVE)
    account = await tx.scalar(found.with_for_update() if lock else found)
    if account is None:
        raise AccountNotFound(f"no account {account_id}")
    return account


async def correct(
    tx: AsyncSession,
    account_id: str,
    *,
    name: Sealed | None,
    phone: tuple[Sealed, BlindIndex] | None,
) -> Account:
    """Changes what is given and leaves the rest."""
    account = await own(tx, account_id, lock=True)
    if name is not None:
        account.name = name
    if phone is not None:
        account.phone, account.phone_index = phone
    return account
