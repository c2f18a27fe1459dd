"""The staff directory: who may ask for grants, and what happens when that changes.

Who is there and in which roles is given by the staff file or the identity provider. Here somebody
can only be deactivated, and roles can only be taken away; that stays so over every restart.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.domain.tokens import revocation
from privacy_gateway.domain.tokens.jose import LONGEST_LIFETIME
from privacy_gateway.models import StaffMember
from privity_contracts import ids
from privity_rest import NotAllowed, NotFound, Unprocessable

Source = Literal["file", "openid"]
Why = Literal["left", "suspended", "credentials_lost"]


class NobodyThere(NotFound):
    code = "staff_not_found"


class NotYourself(NotAllowed):
    code = "not_yourself"
    title = "Nobody changes what they may do themselves"


async def find(tx: AsyncSession, staff_id: str) -> StaffMember | None:
    """As they are once any change that is under way is done."""
    # A change ends the tokens issued until then; who reads beside it would get one issued after.
    return await tx.get(StaffMember, staff_id, with_for_update={"read": True, "key_share": True})


async def find_by_username(tx: AsyncSession, username: str) -> StaffMember | None:
    return await tx.scalar(select(StaffMember).where(StaffMember.username == username))


async def hold(tx: AsyncSession, staff_id: str) -> StaffMember:
    """To be changed. What time it is, is to be asked after this: whoever was reading is done.

    Raises NobodyThere.
    """
    member = await tx.get(StaffMember, staff_id, with_for_update=True)
    if member is None:
        raise NobodyThere(staff_id)
    return member


async def hold_everyone(tx: AsyncSession) -> None:
    await tx.execute(select(StaffMember.id).order_by(StaffMember.id).with_for_update())


async def page(tx: AsyncSession, *, after: str | None, limit: int) -> Sequence[StaffMember]:
    query = select(StaffMember).order_by(StaffMember.id).limit(limit)
    if after is not None:
        query = query.where(StaffMember.id > after)
    return (await tx.scalars(query)).all()


async def ensure_staff(
    tx: AsyncSession,
    *,
    username: str,
    password_hash: str | None,
    roles: Sequence[str],
    sites: Sequence[str],
    active: bool = True,
    source: Source = "file",
    now: float,
) -> StaffMember:
    """Makes the directory say this of `username`. Whatever changes, tokens issued before end."""
    wanted = {
        "password_hash": password_hash,
        "given_roles": list(roles),
        "sites": list(sites),
        "listed": active,
        "source": source,
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
    """Of those that the file gave, whoever is not listed no longer works here. Their entry stays:
    old records name them."""
    others = select(StaffMember).where(
        StaffMember.source == "file",
        StaffMember.listed.is_(True),
        StaffMember.username.not_in(usernames),
    )
    for member in await tx.scalars(others.with_for_update()):
        member.listed = False
        await _end_tokens(tx, member, now=now)


async def deactivate(
    tx: AsyncSession, member: StaffMember, *, why: Why, by: str, now: float
) -> bool:
    """Whether that is new. Raises NotYourself."""
    _require_another(member, by)
    if member.deactivated_at is not None:
        return False
    member.deactivated_at = datetime.fromtimestamp(now, UTC)
    member.deactivated_by, member.deactivated_why = by, why
    await _end_tokens(tx, member, now=now)
    return True


def reactivate(member: StaffMember, *, by: str) -> bool:
    """Whether that is new. Raises NotYourself."""
    _require_another(member, by)
    was_off = member.deactivated_at is not None
    member.deactivated_at = member.deactivated_by = member.deactivated_why = None
    return was_off


async def set_roles(
    tx: AsyncSession, member: StaffMember, roles: Collection[str], *, by: str, now: float
) -> bool:
    """Leaves these of the roles that they were given. Whether that changes anything.

    Raises NotYourself, and Unprocessable for a role that nobody gave them.
    """
    _require_another(member, by)
    errors = [
        (f"/roles/{n}", "not_given") for n, r in enumerate(roles) if r not in member.given_roles
    ]
    if errors:
        raise Unprocessable(errors=errors)
    withheld = [role for role in member.given_roles if role not in roles]
    if withheld == member.withheld_roles:
        return False
    member.withheld_roles = withheld
    await _end_tokens(tx, member, now=now)
    return True


def _require_another(member: StaffMember, by: str) -> None:
    if member.id == by:
        raise NotYourself(by)


async def _end_tokens(tx: AsyncSession, member: StaffMember, *, now: float) -> None:
    until = datetime.fromtimestamp(now, UTC) + timedelta(seconds=max(LONGEST_LIFETIME.values()))
    await revocation.store(tx, "actor", member.id, until=until, issued_until=int(now))
