"""What a customer agreed to. The latest word counts, at once; all earlier ones stay on record."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from customers.domain import profile
from customers.models import ConsentChange, ConsentName
from privity_contracts.events import Event
from privity_contracts.ids import mint
from privity_jobs import publish
from privity_rest import Conflict, NotFound


class AnotherPolicyInForce(Conflict):
    """Whoever agrees has to have read what they agree to."""

    code = "another_policy_in_force"
    title = "The policy has changed; show the present one and ask again"


class NeverAsked(NotFound):
    code = "consent_never_given"
    title = "This was never agreed to"


async def give(
    tx: AsyncSession,
    subject: str,
    name: ConsentName,
    *,
    policy_version: str,
    in_force: str,
    now: datetime,
) -> ConsentChange:
    """Once more under the same policy changes nothing. Raises AnotherPolicyInForce."""
    if policy_version != in_force:
        raise AnotherPolicyInForce(f"version {in_force} is in force")
    await profile.own(tx, subject, lock=True)
    last = (await latest(tx, subject)).get(name)
    if last is not None and last.given and last.policy_version == policy_version:
        return last
    return _record(tx, subject, name, given=True, policy_version=policy_version, now=now)


async def withdraw(
    tx: AsyncSession, subject: str, name: ConsentName, *, now: datetime
) -> ConsentChange | None:
    """Nothing when there is nothing to withdraw. It takes no condition and no reason."""
    await profile.own(tx, subject, lock=True)
    last = (await latest(tx, subject)).get(name)
    if last is None or not last.given:
        return last
    data = {"subject_id": subject, "consent": str(name)}
    event_id, at = mint("evt", clock=now.timestamp), now.astimezone(UTC)
    publish(tx, Event(id=event_id, type="consent.withdrawn", occurred_at=at, data=data))
    return _record(tx, subject, name, given=False, policy_version=last.policy_version, now=now)


async def latest(tx: AsyncSession, subject: str) -> Mapping[ConsentName, ConsentChange]:
    """The last word on each consent that was ever spoken of."""
    found = await tx.scalars(
        select(ConsentChange)
        .where(ConsentChange.subject_id == subject)
        .ext(distinct_on(ConsentChange.name))
        .order_by(ConsentChange.name, ConsentChange.number.desc())
    )
    return {change.name: change for change in found}


async def history(tx: AsyncSession, subject: str, name: ConsentName) -> Sequence[ConsentChange]:
    """Oldest first."""
    query = (
        select(ConsentChange)
        .where(ConsentChange.subject_id == subject, ConsentChange.name == name)
        .order_by(ConsentChange.number)
    )
    return (await tx.scalars(query)).all()


def _record(
    tx: AsyncSession,
    subject: str,
    name: ConsentName,
    *,
    given: bool,
    policy_version: str,
    now: datetime,
) -> ConsentChange:
    change = ConsentChange(
        id=mint("con", clock=now.timestamp),
        subject_id=subject,
        name=name,
        given=given,
        policy_version=policy_version,
        at=now,
    )
    tx.add(change)
    return change
