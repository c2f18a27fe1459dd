"""The staff directory: who may ask for grants, and what happens when that changes."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.domain.tokens import revocation
from privacy_gateway.domain.tokens.jose import LONGEST_LIFETIME
from privacy_gateway.models import StaffMember
from privity_contracts import ids


async def find(tx: AsyncSession, staff_id: str) -> StaffMember | None:
    """As they are once any change that is under way is done."""
    # A change ends the tokens issued until then; who reads beside it would get one issued after.
    return await tx.get(StaffMember, staff_id, with_for_update={"read": True, "key_share": True})


async def find_by_username(tx: AsyncSession, username: str) -> StaffMember | None:
    return await tx.scalar(select(StaffMember).where(StaffMember.username == username))


async def ensure_staff(
    tx: AsyncSession,
    *,
    username: str,
    password_hash: str,
    roles: Sequence[str],
    sites: Sequence[str],
    active: bool = True,
    now: float,
) -> StaffMember:
    """Makes the directory say this of `username`. Whatever changes, tokens issued before end."""
    wanted = {
        "password_hash": password_hash,
        "roles": list(roles),
        "sites": list(sites),
        "active": active,
    }
    fresh = insert(StaffMember).values(id=ids.mint("stf"), username=username, **wanted)
    added = await tx.scalar(
        fresh.on_conflict_do_nothing(index_elements=[StaffMember.username]).returning(
            StaffMember.id
        )
    )
    member = await tx.scalar(
        select(StaffMember).where(StaffMember.username == username).with_for_update()
    )
    assert member is not None  # noqa: S101  # inserted above, or there before
    if added is None and any(getattr(member, name) != value for name, value in wanted.items()):
        for name, value in wanted.items():
            setattr(member, name, value)
        await _end_tokens(tx, member, now=now)
    return member


async def deactivate_others(tx: AsyncSession, usernames: Collection[str], *, now: float) -> None:
    """Whoever is not listed no longer works here. Their record stays: old records name them."""
    others = select(StaffMember).where(
        StaffMember.active.is_(True), StaffMember.username.not_in(usernames)
    )
    for member in await tx.scalars(others.with_for_update()):
        member.active = False
        await _end_tokens(tx, member, now=now)


async def _end_tokens(tx: AsyncSession, member: StaffMember, *, now: float) -> None:
    until = datetime.fromtimestamp(now, UTC) + timedelta(seconds=max(LONGEST_LIFETIME.values()))
    await revocation.store(tx, "actor", member.id, until=until, issued_until=int(now))
