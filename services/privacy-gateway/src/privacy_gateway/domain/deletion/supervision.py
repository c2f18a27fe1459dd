"""Partners after their deliveries (C4.3): each is asked to purge when its order has ended, and one
that has not attested to it a week after its time was up gets no more deliveries.

A suspension is on record before it is made, and made once for each purge request: who lets the
partner go on all the same has decided that, and is not overruled the next night.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import select, update

from privacy_gateway.domain.deletion import partners
from privacy_gateway.domain.deletion.means import Means
from privacy_gateway.domain.own_access import own_access
from privacy_gateway.domain.recipients import changes, registry
from privacy_gateway.models import PurgeRequest, Recipient

SUSPENDED_AFTER: Final = timedelta(days=7)
_log = structlog.get_logger("privity.deletion")


async def look(by: Means) -> None:
    """What the nightly sweep does about partners. Raises Unavailable when it cannot be recorded."""
    while True:
        async with by.database.transaction() as tx:
            if not await partners.ask_ended(tx, None, now=by.clock()):
                break
    await _suspend_overdue(by, now=by.clock())


async def _suspend_overdue(by: Means, *, now: datetime) -> None:
    late = (
        PurgeRequest.attested_at.is_(None),
        PurgeRequest.suspended_at.is_(None),
        PurgeRequest.purge_by < now - SUSPENDED_AFTER,
    )
    async with by.database.transaction() as tx:
        found = await tx.scalars(
            select(PurgeRequest.recipient_id)
            .join(Recipient, Recipient.id == PurgeRequest.recipient_id)
            .where(*late, Recipient.status == "active")
            .distinct()
        )
        overdue = sorted(found)
    for recipient_id in overdue:
        access = own_access(
            by.policy,
            kind="policy",
            purpose=changes.PURPOSE,
            reason="recipient_suspended",
            resource=f"recipient/{recipient_id}",
        )
        await by.audit.record([replace(access, recipient=recipient_id)])
        async with by.database.transaction() as tx:
            await registry.set_status(tx, recipient_id, "suspended")
            theirs = update(PurgeRequest).where(*late, PurgeRequest.recipient_id == recipient_id)
            await tx.execute(theirs.values(suspended_at=now))
        _log.error("partner_suspended", recipient=recipient_id, reason="purge_overdue")
