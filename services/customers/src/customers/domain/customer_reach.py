"""Which customers staff reach: the one whom their case is about, or whoever turns to us.

Who is out of reach looks as if they did not exist.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from customers.domain.profile import AccountNotFound
from customers.models import Account, AccountState
from privity_contracts import BlindIndex
from privity_rest import Caller, NotAllowed

FINDING = "customer_search"
MOST_FOUND = 5


class WorkRequired(NotAllowed):
    """Staff reach a customer through their work alone."""

    code = "work_required"


def of_work(caller: Caller) -> ColumnElement[bool]:
    """Raises WorkRequired, and NotAllowed for whom other people are no business."""
    if caller.kind != "staff":
        raise NotAllowed("for staff at work")
    kind, _, name = (caller.work or "").partition("/")
    if kind == "case" and caller.work_subject is not None:
        accounts = caller.covered("account")
        if accounts is None or caller.work_subject in accounts:
            return Account.id == caller.work_subject
    if kind == "break-glass" and name:
        return true()  # the gateway let them, told the data protection officer and counts
    raise WorkRequired("a customer is reached through a case")


def of_search(caller: Caller) -> ColumnElement[bool]:
    """Who looks for whoever turned to us finds anybody; who has a case, its customer alone."""
    if caller.kind == "staff" and caller.purpose == FINDING:
        return true()
    return of_work(caller)


async def find(tx: AsyncSession, account_id: str, *, within: ColumnElement[bool]) -> Account:
    """Raises AccountNotFound."""
    account = await tx.scalar(select(Account).where(Account.id == account_id, _there(within)))
    if account is None:
        raise AccountNotFound(f"no account {account_id}")
    return account


async def search(
    tx: AsyncSession,
    *,
    email: BlindIndex | None,
    phone: BlindIndex | None,
    within: ColumnElement[bool],
) -> Sequence[Account]:
    """One more than are shown, when there are more."""
    query = select(Account).where(_there(within))
    if email is not None:
        query = query.where(Account.email_index == email)
    if phone is not None:
        query = query.where(Account.phone_index == phone)
    return (await tx.scalars(query.order_by(Account.id).limit(MOST_FOUND + 1))).all()


def _there(within: ColumnElement[bool]) -> ColumnElement[bool]:
    return and_(Account.state == AccountState.ACTIVE, within)
