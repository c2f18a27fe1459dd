"""Asking for a deletion, taking it back within its grace, agreeing to somebody else's."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Final, Literal

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.domain.deletion.telling import LETTER
from privacy_gateway.domain.policy.file import PolicyFile
from privacy_gateway.domain.retention import terms
from privacy_gateway.models import Deletion
from privity_contracts import ids
from privity_jobs import enqueue
from privity_rest import Conflict, NotAllowed, NotFound

RUN: Final = "deletion"
OPEN: Final = ("proposed", "waiting", "running")
InProgress = Literal["refuse", "leave"]


class DeletionNotFound(NotFound):
    code = "deletion_not_found"


class OrdersInProgress(Conflict):
    code = "orders_in_progress"
    title = "Something is still on its way; ask again then, or leave it out for now"


class TooLateToUndo(Conflict):
    code = "too_late_to_undo"
    title = "The keys are being destroyed already"


class SecondPersonNeeded(NotAllowed):
    code = "second_person_needed"
    title = "Somebody else has to agree"


@dataclass(frozen=True, slots=True)
class Asked:
    """`receipt_key` is shown this once; nothing when the deletion had been asked for before."""

    deletion: Deletion
    receipt_key: str | None = field(repr=False)


async def ask(
    tx: AsyncSession,
    subject_id: str,
    *,
    by: str | None,
    orders_in_progress: InProgress,
    file: PolicyFile,
    now: datetime,
) -> Asked:
    """`by` is the staff member who asks for somebody; nobody when they ask themselves."""
    receipt_key = secrets.token_urlsafe(24)
    waits = by is not None and await _asked_today(tx, by, now=now) >= file.deletion.alone_up_to
    runs_at = terms.end(now, file.deletion.grace)
    added = await tx.scalar(
        insert(Deletion)
        .values(
            id=ids.mint("del"),
            subject_id=subject_id,
            state="proposed" if waits else "waiting",
            asked_by=by,
            orders_in_progress=orders_in_progress,
            asked_at=now,
            runs_at=runs_at,
            receipt_key_hash=_hash(receipt_key),
        )
        .on_conflict_do_nothing(
            index_elements=[Deletion.subject_id], index_where=Deletion.subject_id.is_not(None)
        )
        .returning(Deletion)
    )
    if added is None:
        return Asked(await of(tx, subject_id), None)
    if not waits:
        await _set_going(tx, added, run_at=runs_at)
    return Asked(added, receipt_key)


async def _set_going(tx: AsyncSession, deletion: Deletion, *, run_at: datetime) -> None:
    """And tell the person, who can still undo it."""
    await enqueue(tx, RUN, {"deletion_id": deletion.id}, key=deletion.id, run_at=run_at)
    told = {"deletion_id": deletion.id, "letter": "asked"}
    await enqueue(tx, LETTER, told, key=f"{deletion.id}-asked")


async def hurry(tx: AsyncSession, deletion: Deletion, *, now: datetime) -> None:
    """Confirmed by the person: it runs now, whoever asked for it. The row is locked."""
    if deletion.state == "proposed":
        deletion.state = "waiting"
    if deletion.state == "waiting":
        deletion.runs_at = min(deletion.runs_at, now)
        await enqueue(tx, RUN, {"deletion_id": deletion.id}, key=deletion.id, run_at=now)


async def _asked_today(tx: AsyncSession, by: str, *, now: datetime) -> int:
    # Two requests of one person at once count one another.
    await tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(by, 0))))
    midnight = datetime.combine(now.astimezone(UTC).date(), time.min, UTC)
    theirs = (Deletion.asked_by == by, Deletion.asked_at >= midnight)
    return await tx.scalar(select(func.count()).select_from(Deletion).where(*theirs)) or 0


async def of(tx: AsyncSession, subject_id: str, *, lock: bool = False) -> Deletion:
    """The one that is under way. Raises DeletionNotFound."""
    query = select(Deletion).where(Deletion.subject_id == subject_id)
    found = await tx.scalar(query.with_for_update() if lock else query)
    if found is None:
        raise DeletionNotFound("nothing is being deleted")
    return found


async def find(tx: AsyncSession, deletion_id: str, *, lock: bool = False) -> Deletion:
    """Raises DeletionNotFound."""
    found = await tx.get(Deletion, deletion_id, with_for_update=True if lock else None)
    if found is None:
        raise DeletionNotFound(deletion_id)
    return found


async def page(tx: AsyncSession, *, after: str | None, limit: int) -> Sequence[Deletion]:
    """Newest first."""
    query = select(Deletion).order_by(Deletion.id.desc()).limit(limit)
    if after is not None:
        query = query.where(Deletion.id < after)
    return (await tx.scalars(query)).all()


async def undo(
    tx: AsyncSession, deletion: Deletion, *, now: datetime, declined: bool = False
) -> None:
    """The row is locked. Who was told that it was coming is told that it is not.

    Raises TooLateToUndo.
    """
    if deletion.state in {"undone", "declined"}:
        return
    if deletion.state not in {"proposed", "waiting"}:
        raise TooLateToUndo(deletion.id)
    if deletion.state == "waiting":
        # The row names nobody from here on, so the job does, until the letter is written.
        told = {"deletion_id": deletion.id, "letter": "undone", "subject_id": deletion.subject_id}
        await enqueue(tx, LETTER, told, key=f"{deletion.id}-undone")
    deletion.state = "declined" if declined else "undone"
    _forget(deletion, now=now)


async def approve(
    tx: AsyncSession, deletion: Deletion, *, by: str, file: PolicyFile, now: datetime
) -> None:
    """The row is locked. Agreed to already is fine; the person's grace begins when they are told.

    Raises SecondPersonNeeded, TooLateToUndo.
    """
    if deletion.asked_by == by:
        raise SecondPersonNeeded(deletion.id)
    if deletion.state != "proposed":
        if deletion.approved_by is None:
            raise TooLateToUndo(deletion.id)
        return
    deletion.state, deletion.approved_by = "waiting", by
    deletion.runs_at = max(deletion.runs_at, terms.end(now, file.deletion.grace))
    await _set_going(tx, deletion, run_at=deletion.runs_at)


def subject_of(deletion: Deletion) -> str:
    """Whose it is, while it is under way."""
    assert deletion.subject_id is not None  # noqa: S101  # the table's own check
    return deletion.subject_id


def end(deletion: Deletion, *, now: datetime) -> None:
    deletion.state = "done"
    _forget(deletion, now=now)


def _forget(deletion: Deletion, *, now: datetime) -> None:
    """What is over names nobody."""
    deletion.ended_at = now
    deletion.subject_id = deletion.plan = deletion.sealed = None


async def receipt(tx: AsyncSession, deletion_id: str, receipt_key: str) -> Deletion:
    """For whoever holds the key. Raises DeletionNotFound, whatever is wrong."""
    found = await tx.get(Deletion, deletion_id)
    if found is None or not found.receipt_key_hash:
        raise DeletionNotFound(deletion_id)
    if not secrets.compare_digest(found.receipt_key_hash, _hash(receipt_key)):
        raise DeletionNotFound(deletion_id)
    return found


def _hash(receipt_key: str) -> bytes:
    # Twenty-four random bytes cannot be guessed, so a fast hash is enough.
    return hashlib.sha256(receipt_key.encode()).digest()
