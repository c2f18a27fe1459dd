"""How often something may be guessed.

Attempts are counted before they are judged, in a transaction of their own, so that neither a
refusal's rollback nor twenty requests at once give guesses away. What is counted need not exist:
an e-mail address without an account locks like one with an account.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from customers.models import AttemptCount
from privity_contracts import BlindIndex
from privity_rest import TooMany


@dataclass(frozen=True, slots=True)
class Limit:
    most: int
    window: timedelta


PASSWORD = Limit(most=10, window=timedelta(minutes=15))


class TooManyAttempts(TooMany):
    code = "too_many_attempts"
    title = "Too many attempts; try again later"


def signing_in(email_index: BlindIndex) -> list[str]:
    """Under each form: a change of keys gives no guesses away."""
    return [f"sign_in/{form}" for form in sorted(email_index.forms)]


def own_password(account_id: str) -> list[str]:
    return [f"password/{account_id}"]


async def count(
    tx: AsyncSession, keys: Collection[str], limit: Limit, *, now: datetime
) -> int | None:
    """Nothing when the attempt may go on, else the seconds to wait."""
    waits = [await _count(tx, key, limit, now=now) for key in keys]
    return max((wait for wait in waits if wait is not None), default=None)


async def _count(tx: AsyncSession, key: str, limit: Limit, *, now: datetime) -> int | None:
    counted = insert(AttemptCount).values(key=key, tried=1, since=now)
    over = AttemptCount.since <= now - limit.window
    statement = counted.on_conflict_do_update(
        index_elements=[AttemptCount.key],
        set_={
            "tried": case((over, 1), else_=AttemptCount.tried + 1),
            "since": case((over, now), else_=AttemptCount.since),
        },
    ).returning(AttemptCount.tried, AttemptCount.since)
    tried, since = (await tx.execute(statement)).one()
    if tried <= limit.most:
        return None
    return max(1, math.ceil((since + limit.window - now).total_seconds()))


async def forget(tx: AsyncSession, keys: Collection[str]) -> None:
    await tx.execute(delete(AttemptCount).where(AttemptCount.key.in_(keys)))
