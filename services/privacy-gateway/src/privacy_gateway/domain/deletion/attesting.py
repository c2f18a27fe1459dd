"""A partner attests that it has purged a delivery: who says so first, what they say afterwards.

What was said first stands; saying it again changes nothing.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.domain.deletion import partners
from privacy_gateway.domain.deletion.receipt import Receipts
from privacy_gateway.domain.disclosure import schemas
from privacy_gateway.domain.intake.strict_json import parse_object
from privacy_gateway.models import PurgeRequest
from privity_rest import NotFound, Unprocessable

# Partners' clocks may be ahead of ours.
CLOCKS_APART: Final = timedelta(minutes=5)


class NotAnAttestation(Unprocessable):
    code = "not_a_purge_attestation"
    title = "Not a purge attestation as published"


class PurgeNotFound(NotFound):
    """None of this partner's: whether it exists is not theirs to know."""

    code = "purge_request_not_found"


class PurgedTooLate(Unprocessable):
    code = "purged_in_the_future"
    title = "What is attested has happened"


class Attestation(NamedTuple):
    purge_id: str
    delivery_id: str
    purged_at: datetime
    text: str


def read(body: bytes) -> Attestation:
    """Raises MalformedJson and NotAnAttestation."""
    said: dict[str, Any] = parse_object(body)
    if errors := schemas.errors(schemas.PURGE_ATTESTATION, said):
        raise NotAnAttestation(errors=errors)
    purged_at = datetime.fromisoformat(said["purged_at"]).astimezone(UTC)
    text = orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode()
    return Attestation(said["purge_request"], said["delivery"], purged_at, text)


async def attest(
    tx: AsyncSession,
    recipient_id: str,
    said: Attestation,
    *,
    receipts: Receipts,
    now: datetime,
) -> bool:
    """Whether it is news. Raises PurgeNotFound, PurgedTooLate."""
    request = await tx.scalar(
        select(PurgeRequest)
        .where(
            PurgeRequest.id == said.purge_id,
            PurgeRequest.recipient_id == recipient_id,
            PurgeRequest.delivery_id == said.delivery_id,
        )
        .with_for_update()
    )
    if request is None:
        raise PurgeNotFound(said.purge_id)
    if said.purged_at > now + CLOCKS_APART:
        raise PurgedTooLate(errors=[("/purged_at", "in_the_future")])
    if request.attested_at is not None:
        return False
    request.attested_at, request.purged_at, request.attestation = now, said.purged_at, said.text
    if request.told_at is None:
        # Their answer to our request was lost: they know of it all the same.
        request.told_at, request.outcome = now, "told"
    await partners.renew(tx, request.deletion_id, receipts)
    return True
