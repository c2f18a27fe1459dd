"""Signing in: the same answer and the same work, whoever it is and whatever is wrong.

Five failures within a quarter of an hour close a name, whether anybody has it or not. That lets a
stranger keep a staff member out for that long; guessing at leisure would be worse.
"""

import hmac
from datetime import UTC, datetime, timedelta

from sqlalchemy import case, delete
from sqlalchemy.dialects.postgresql import insert

from privacy_gateway.domain.staff import directory
from privacy_gateway.domain.staff.file import USERNAME
from privacy_gateway.domain.staff.passwords import LONGEST, Passwords
from privacy_gateway.models import SignInAttempts, StaffMember
from privity_database import Database
from privity_rest import TooMany, Unauthenticated

ATTEMPTS = 5
WINDOW = timedelta(minutes=15)


class WrongCredentials(Unauthenticated):
    code = "wrong_credentials"
    title = "The username or the password is wrong"


class TooManyAttempts(TooMany):
    code = "too_many_attempts"
    title = "Too many attempts for this username"


async def sign_in(
    database: Database,
    passwords: Passwords,
    *,
    names_key: bytes,
    username: str,
    password: str,
    now: float,
) -> StaffMember:
    """Raises WrongCredentials, or TooManyAttempts before the password is even looked at."""
    name = username.strip().lower()
    key = hmac.digest(names_key, name.encode(), "sha256")
    await _count_attempt(database, key, now=datetime.fromtimestamp(now, UTC))
    member = None
    if USERNAME.fullmatch(name):
        async with database.transaction() as tx:
            member = await directory.find_by_username(tx, name)
    stored = member.password_hash if member is not None else None
    right = await passwords.check(stored, password[:LONGEST])
    if member is None or not right or not member.active or len(password) > LONGEST:
        raise WrongCredentials
    async with database.transaction() as tx:
        await tx.execute(delete(SignInAttempts).where(SignInAttempts.username_hash == key))
    return member


async def _count_attempt(database: Database, key: bytes, *, now: datetime) -> None:
    """Counted as failed before it is tried: many at once are still many."""
    old = SignInAttempts.since < now - WINDOW
    attempt = insert(SignInAttempts).values(username_hash=key, failures=1, since=now)
    attempt = attempt.on_conflict_do_update(
        index_elements=[SignInAttempts.username_hash],
        set_={
            "failures": case((old, 1), else_=SignInAttempts.failures + 1),
            "since": case((old, now), else_=SignInAttempts.since),
        },
    )
    async with database.transaction() as tx:
        counted = await tx.execute(attempt.returning(SignInAttempts.failures, SignInAttempts.since))
        failures, since = counted.one()
    if failures > ATTEMPTS:
        left = since + WINDOW - now
        raise TooManyAttempts(retry_after=max(1, int(left.total_seconds()) + 1))
