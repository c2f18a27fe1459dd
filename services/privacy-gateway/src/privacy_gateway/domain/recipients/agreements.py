"""What a recipient has signed, and whether it covers what is about to be disclosed.

It is judged at the moment of sending, by the row and the date: nothing is remembered from before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.models import Agreement, Recipient
from privity_contracts import ids
from privity_rest import Conflict


class OtherTerms(Conflict):
    code = "other_terms"
    title = "This document is on record with other terms"


class NotAgreed(Exception):
    """Nothing may be disclosed to this recipient. Its text is a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Terms:
    """`valid_until` is the last day. Purposes and categories are those of the policy file."""

    document_sha256: str
    signed_on: date
    valid_from: date
    valid_until: date
    purposes: tuple[str, ...]
    categories: tuple[str, ...]
    days_until_purge: int


async def add(
    tx: AsyncSession, recipient_id: str, terms: Terms, *, now: datetime
) -> tuple[Agreement, bool]:
    """The agreement and whether it is new: a signed document has one set of terms.

    Raises OtherTerms.
    """
    values = {
        "document_sha256": terms.document_sha256,
        "signed_on": terms.signed_on,
        "valid_from": terms.valid_from,
        "valid_until": terms.valid_until,
        "purposes": sorted(set(terms.purposes)),
        "categories": sorted(set(terms.categories)),
        "days_until_purge": terms.days_until_purge,
    }
    statement = (
        insert(Agreement)
        .values(id=ids.mint("agr"), recipient_id=recipient_id, recorded_at=now, **values)
        .on_conflict_do_nothing(index_elements=[Agreement.recipient_id, Agreement.document_sha256])
        .returning(Agreement)
    )
    added = await tx.scalar(statement)
    if added is not None:
        return added, True
    known = await tx.scalar(
        select(Agreement).where(
            Agreement.recipient_id == recipient_id,
            Agreement.document_sha256 == terms.document_sha256,
        )
    )
    if known is None or any(getattr(known, name) != value for name, value in values.items()):
        raise OtherTerms(f"a document of {recipient_id}")
    return known, False


async def of(tx: AsyncSession, recipient_id: str) -> Sequence[Agreement]:
    statement = (
        select(Agreement).where(Agreement.recipient_id == recipient_id).order_by(Agreement.id)
    )
    return (await tx.scalars(statement)).all()


async def covering(
    tx: AsyncSession,
    recipient: Recipient,
    *,
    purpose: str,
    categories: frozenset[str],
    now: datetime,
) -> Agreement:
    """Raises NotAgreed."""
    if recipient.status != "active":
        raise NotAgreed("recipient_suspended")
    known = await of(tx, recipient.id)
    return judge(known, purpose=purpose, categories=categories, today=now.astimezone(UTC).date())


def judge(
    known: Sequence[Agreement], *, purpose: str, categories: frozenset[str], today: date
) -> Agreement:
    """One agreement has to cover it all: two that cover half each were never signed together.

    Raises NotAgreed with the reason that comes closest.
    """
    if not known:
        raise NotAgreed("no_agreement")
    in_force = [each for each in known if each.valid_from <= today <= each.valid_until]
    in_force = [each for each in in_force if each.signed_on <= today]
    if not in_force:
        ahead = any(max(each.valid_from, each.signed_on) > today for each in known)
        raise NotAgreed("agreement_not_yet_valid" if ahead else "agreement_expired")
    for_purpose = [each for each in in_force if purpose in each.purposes]
    if not for_purpose:
        raise NotAgreed("purpose_not_agreed")
    for agreement in for_purpose:
        if categories <= set(agreement.categories):
            return agreement
    raise NotAgreed("category_not_agreed")
