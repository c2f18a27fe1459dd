"""A session and its refresh tokens: one use each, and a second use ends the session.

There is no grace in which a spent token still works or is merely refused. Within it, a thief and
a second tab look the same, and a stolen token used seconds before its owner's would live on
unnoticed for a month. Without it, the two collide and the thief loses. The price is that a
client which sends one token twice, or loses the answer, signs in again; one that refreshes from
several tabs takes turns (a Web Lock does it).
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from customers.domain.account_announcement import announce_active
from customers.models import Account, RefreshToken, Session
from privity_contracts import Secret
from privity_contracts.ids import mint
from privity_rest import Unauthenticated

ABSOLUTE_LIFE = timedelta(days=30)
IDLE_LIFE = timedelta(days=7)
_log = structlog.get_logger("customers.session")


class SessionOver(Unauthenticated):
    """Unknown, expired, ended and stolen look the same to whoever presents the token."""

    code = "session_over"
    title = "The session is over; sign in again"


@dataclass(frozen=True, slots=True)
class Opened:
    account_id: str
    session_id: str
    refresh_expires_at: datetime
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reused:
    """A spent token came back: two parties hold it, and one of them should not."""

    session_id: str


async def open_session(tx: AsyncSession, account_id: str, *, now: datetime) -> Opened:
    session = Session(
        id=mint("ses"),
        account_id=account_id,
        started_at=now,
        refreshed_at=now,
        idle_until=now + IDLE_LIFE,
        ends_at=now + ABSOLUTE_LIFE,
    )
    tx.add(session)
    await tx.flush()
    return _with_a_fresh_token(tx, session)


async def rotate(tx: AsyncSession, presented: Secret, *, now: datetime) -> Opened | Reused:
    """Raises SessionOver. `Reused` is an answer and no exception: what it wrote must be kept."""
    hashed = _hash(presented.reveal())
    # One statement spends it, so of any number at once one finds it unspent.
    session_id = await tx.scalar(
        update(RefreshToken)
        .where(RefreshToken.hash == hashed, RefreshToken.used_at.is_(None))
        .values(used_at=now)
        .returning(RefreshToken.session_id)
    )
    if session_id is None:
        return await _revoke_family(tx, hashed, now=now)
    session = await tx.scalar(select(Session).where(Session.id == session_id).with_for_update())
    if session is None or not _is_alive(session, now=now):
        raise SessionOver
    account = await tx.get(Account, session.account_id)
    if account is not None:
        announce_active(tx, account, now=now)
    session.refreshed_at = now
    session.idle_until = min(now + IDLE_LIFE, session.ends_at)
    return _with_a_fresh_token(tx, session)


async def _revoke_family(tx: AsyncSession, hashed: bytes, *, now: datetime) -> Reused:
    session_id = await tx.scalar(select(RefreshToken.session_id).where(RefreshToken.hash == hashed))
    if session_id is None:
        raise SessionOver
    ended = await tx.scalar(
        update(Session)
        .where(Session.id == session_id, Session.ended_at.is_(None))
        .values(ended_at=now)
        .returning(Session.id)
    )
    if ended is not None:
        _log.warning("refresh_token_reused", session=session_id)
    return Reused(session_id)


async def end(tx: AsyncSession, session_id: str, *, account_id: str, now: datetime) -> None:
    await tx.execute(
        update(Session)
        .where(
            Session.id == session_id, Session.account_id == account_id, Session.ended_at.is_(None)
        )
        .values(ended_at=now)
    )


async def end_others(
    tx: AsyncSession, account_id: str, *, but: str | None, now: datetime
) -> Sequence[str]:
    """The ids of the sessions that this ended."""
    ended = await tx.scalars(
        update(Session)
        .where(
            Session.account_id == account_id,
            Session.id.is_distinct_from(but),
            Session.ended_at.is_(None),
        )
        .values(ended_at=now)
        .returning(Session.id)
    )
    return ended.all()


async def living(tx: AsyncSession, account_id: str, *, now: datetime) -> Sequence[Session]:
    found = await tx.scalars(
        select(Session)
        .where(
            Session.account_id == account_id,
            Session.ended_at.is_(None),
            Session.ends_at > now,
            Session.idle_until > now,
        )
        .order_by(Session.id.desc())
    )
    return found.all()


def _is_alive(session: Session, *, now: datetime) -> bool:
    return session.ended_at is None and now < session.ends_at and now < session.idle_until


def _with_a_fresh_token(tx: AsyncSession, session: Session) -> Opened:
    token = secrets.token_urlsafe(32)
    tx.add(RefreshToken(hash=_hash(token), session_id=session.id))
    return Opened(
        account_id=session.account_id,
        session_id=session.id,
        refresh_expires_at=session.idle_until,
        refresh_token=token,
    )


def _hash(token: str) -> bytes:
    # Thirty-two random bytes cannot be guessed, so a fast hash is enough.
    return hashlib.sha256(token.encode()).digest()
