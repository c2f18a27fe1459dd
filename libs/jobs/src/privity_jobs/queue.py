"""Putting work in: in the caller's own transaction, so that a change and its job are one commit."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Identity, Index, Text, case, func, select, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from privity_contracts.events import Event

EVENT = "event"
ADDED = "privity_jobs.added"
_REFERENCE = re.compile(r"[A-Za-z0-9_.:-]{1,80}")


class PersonalPayload(ValueError):
    """A payload holds text that is not an id, a state or a time. A queue is no place for a name."""


class _Tables(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: DateTime(timezone=True), str: Text}


class QueuedJob(_Tables):
    """One piece of work that is waiting, under way, or dead.

    `due_at` says when a worker may take it; a claim moves it ahead by a lease, so a job whose
    worker is gone falls due by itself. `claim` is new with each claim: whoever holds an older
    one can end nothing.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index("jobs_key", "kind", "key", unique=True, postgresql_where=text("key IS NOT NULL")),
        Index("jobs_due", "lane", "due_at", postgresql_where=text("dead_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[str]
    key: Mapped[str | None]
    lane: Mapped[str]
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    attempts: Mapped[int] = mapped_column(server_default="0")
    claim: Mapped[UUID | None]
    asked_again: Mapped[bool] = mapped_column(server_default="false")
    dead_at: Mapped[datetime | None]
    last_failure: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


async def enqueue(
    tx: AsyncSession,
    kind: str,
    payload: Mapping[str, Any],
    *,
    run_at: datetime | None = None,
    key: str | None = None,
    lane: str | None = None,
) -> None:
    """Adds a job to the caller's transaction.

    With a `key`, the same work asked for twice is one job: asked for while it waits, it runs no
    later than asked; while it runs, it runs once more afterwards; when it is dead, it lives again.
    Jobs of one `lane` (the kind, unless named) share a limit, so that a slow partner holds up
    nobody else. Lanes are few, such as one for each partner.
    """
    _require_references(payload)
    statement = insert(QueuedJob).values(
        kind=kind,
        key=key,
        lane=lane or kind,
        payload=dict(payload),
        due_at=run_at or func.now(),
    )
    if key is not None:
        running, dead = QueuedJob.claim.is_not(None), QueuedJob.dead_at.is_not(None)
        due = statement.excluded.due_at
        statement = statement.on_conflict_do_update(
            index_elements=[QueuedJob.kind, QueuedJob.key],
            index_where=QueuedJob.key.is_not(None),
            set_={
                "asked_again": running,
                "due_at": case(
                    (running, QueuedJob.due_at),  # that is its lease
                    (dead, due),
                    else_=func.least(QueuedJob.due_at, due),
                ),
                "attempts": case((dead, 0), else_=QueuedJob.attempts),
                "dead_at": None,
            },
        )
    await tx.execute(statement)
    tx.sync_session.info[ADDED] = True


def publish(tx: AsyncSession, event: Event) -> None:
    """Adds an event to the outbox: it leaves if, and only if, this transaction commits."""
    in_utc = event.model_copy(update={"occurred_at": event.occurred_at.astimezone(UTC)})
    payload = in_utc.model_dump(mode="json")
    _require_references(payload)
    tx.add(QueuedJob(kind=EVENT, lane=EVENT, payload=payload))
    tx.sync_session.info[ADDED] = True


async def dead_jobs(tx: AsyncSession, *, limit: int = 100) -> Sequence[QueuedJob]:
    """What was given up, latest first."""
    rows = await tx.scalars(
        select(QueuedJob)
        .where(QueuedJob.dead_at.is_not(None))
        .order_by(QueuedJob.dead_at.desc())
        .limit(limit)
    )
    return rows.all()


async def revive(tx: AsyncSession, job_id: int) -> bool:
    """Gives a dead job all its attempts again. False when there is no such dead job."""
    revived = await tx.scalar(
        update(QueuedJob)
        .where(QueuedJob.id == job_id, QueuedJob.dead_at.is_not(None))
        .values(dead_at=None, attempts=0, due_at=func.now())
        .returning(QueuedJob.id)
    )
    tx.sync_session.info[ADDED] = True
    return revived is not None


def _require_references(value: object, *, field: str = "payload") -> None:
    """Names, e-mail addresses, phone numbers with a plus and sealed values do not pass."""
    if isinstance(value, Mapping):
        for member, inner in value.items():
            _require_references(inner, field=f"{field}.{member}")
    elif isinstance(value, str):
        if _REFERENCE.fullmatch(value) is None:
            raise PersonalPayload(f"{field} is not an id, a state or a time")
    elif value is not None and not isinstance(value, int):
        raise PersonalPayload(f"{field} is a {type(value).__name__}")
