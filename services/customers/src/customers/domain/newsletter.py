"""Who asked for news of the shop: those whose last word on it is yes."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from customers.models import Account, AccountState, ConsentChange, ConsentName
from privity_contracts import Sealed


class Reader(NamedTuple):
    consent: str
    """The id of the consent that they gave: they are read in the order in which they did."""

    id: str
    name: Sealed
    email: Sealed


def agreed() -> ColumnElement[bool]:
    """A consent that was given and not spoken of since."""
    later = aliased(ConsentChange)
    since = select(later.id).where(
        later.subject_id == ConsentChange.subject_id,
        later.name == ConsentChange.name,
        later.number > ConsentChange.number,
    )
    return ConsentChange.given & ~since.exists()


async def readers(tx: AsyncSession, *, after: str | None, limit: int) -> Sequence[Reader]:
    """`after` is the consent of the last one of the page before."""
    query = (
        select(ConsentChange.id, Account.id, Account.name, Account.email)
        .join(Account, Account.id == ConsentChange.subject_id)
        .where(
            ConsentChange.name == ConsentName.MARKETING,
            Account.state == AccountState.ACTIVE,
            ConsentChange.id > after if after else true(),
            agreed(),
        )
    )
    found = await tx.execute(query.order_by(ConsentChange.id).limit(limit))
    return [Reader(*row) for row in found]
