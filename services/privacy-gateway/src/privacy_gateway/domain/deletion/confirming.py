"""A deletion at once gives the grace away, so it takes a code that only the person's mailbox has.

A code is stored in no form: it is computed from a random salt in the database and a key that is
not there. Attempts are counted before they are judged, in a transaction of their own, and codes by
the day, whatever became of the deletions that they were for: who holds a stolen session has twenty-
five guesses a day at one in a hundred million. Wrong, expired, tried too often and never asked for
are one refusal.
"""

import hmac
import os
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.domain.deletion import asking
from privacy_gateway.domain.deletion.telling import LETTER
from privacy_gateway.models import Deletion, DeletionCode
from privity_jobs import enqueue
from privity_rest import TooMany, Unprocessable

LIFE: Final = timedelta(minutes=15)
MOST_ATTEMPTS: Final = 5
MOST_CODES: Final = 5
A_DAY: Final = timedelta(days=1)
_SEPARATORS: Final = str.maketrans("", "", " \t-\u00a0")


class CodeNotAccepted(Unprocessable):
    code = "code_not_accepted"
    title = "The code is not accepted"


class TooManyCodes(TooMany):
    code = "too_many_codes"
    title = "Too many codes were sent today; without one, it is deleted after the grace"


async def issue(tx: AsyncSession, deletion: Deletion, *, now: datetime) -> None:
    """A fresh code in place of an earlier one, and the letter with it. Raises TooManyCodes."""
    subject = asking.subject_of(deletion)
    known = await tx.get(DeletionCode, subject, with_for_update=True)
    again = known is not None and known.since > now - A_DAY
    sent = known.sent + 1 if known is not None and again else 1
    if sent > MOST_CODES:
        raise TooManyCodes(deletion.id)
    fresh = {
        "deletion_id": deletion.id,
        "salt": os.urandom(16),
        "expires_at": now + LIFE,
        "attempts": 0,
        "sent": sent,
        "since": known.since if known is not None and again else now,
    }
    await tx.execute(
        insert(DeletionCode)
        .values(subject_id=subject, **fresh)
        .on_conflict_do_update(index_elements=[DeletionCode.subject_id], set_=fresh)
    )
    told = {"deletion_id": deletion.id, "letter": "code"}
    await enqueue(tx, LETTER, told, key=f"{deletion.id}-code-{sent}")


async def to_send(
    tx: AsyncSession, deletion: Deletion, *, key: bytes, now: datetime
) -> tuple[str, str] | None:
    """The code and its mark; nothing when there is none any more that could be used."""
    found = await tx.scalar(
        select(DeletionCode).where(
            DeletionCode.deletion_id == deletion.id, DeletionCode.expires_at > now
        )
    )
    return None if found is None else (_code(key, deletion.id, found.salt), found.salt.hex())


async def count_attempt(tx: AsyncSession, subject_id: str, *, now: datetime) -> DeletionCode | None:
    """The one that may be tried, if there is one with attempts left. To be committed first."""
    return await tx.scalar(
        update(DeletionCode)
        .where(
            DeletionCode.subject_id == subject_id,
            DeletionCode.expires_at > now,
            DeletionCode.attempts < MOST_ATTEMPTS,
        )
        .values(attempts=DeletionCode.attempts + 1)
        .returning(DeletionCode)
    )


def matches(presented: str, code: DeletionCode | None, *, key: bytes) -> bool:
    """Without a code nothing matches, after the same work."""
    salt, deletion_id = (bytes(16), "") if code is None else (code.salt, code.deletion_id)
    expected = _code(key, deletion_id, salt)
    typed = presented.translate(_SEPARATORS)
    return hmac.compare_digest(typed.encode(), expected.encode()) and code is not None


async def confirm(
    tx: AsyncSession, subject_id: str, *, deletion_id: str, now: datetime
) -> Deletion:
    """After the code was found right: it runs now. Once more is the same as once.

    Raises CodeNotAccepted when it was for a deletion that is undone, and asking.TooLateToUndo.
    """
    try:
        deletion = await asking.of(tx, subject_id, lock=True)
    except asking.DeletionNotFound:
        raise CodeNotAccepted from None
    if deletion.id != deletion_id:
        raise CodeNotAccepted
    await asking.hurry(tx, deletion, now=now)
    reset = update(DeletionCode).where(DeletionCode.subject_id == subject_id)
    await tx.execute(reset.values(attempts=0))
    return deletion


async def forget(tx: AsyncSession, subject_id: str) -> None:
    await tx.execute(delete(DeletionCode).where(DeletionCode.subject_id == subject_id))


def _code(key: bytes, deletion_id: str, salt: bytes) -> str:
    digest = hmac.digest(key, f"deletion|{deletion_id}|".encode() + salt, "sha256")
    return f"{int.from_bytes(digest[:16], 'big') % 10**8:08d}"
