"""Keys of what never came to exist: an order that was refused, a registration nobody confirmed, a
case that somebody made up.

A key is there before its value. Two days later its scope is held by some service, or never will be.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import func, select

from privacy_gateway.domain.deletion.means import Means, deletion_access
from privacy_gateway.domain.retention import holds
from privacy_gateway.domain.vault.key_cache import Place
from privacy_gateway.models import Sweep

AFTER: Final = timedelta(days=2)
"""Longer than anything waits to be confirmed, and than a request is sent again."""


async def destroy(by: Means, *, until: datetime) -> int:
    """How many went, of those that were made before `until` and not looked at yet.

    Raises Unavailable unless every service has answered for everybody.
    """
    gone = 0
    async for page in by.inventory.made(await _looked_until(by), until):
        by_subject: dict[str, list[Place]] = defaultdict(list)
        for entry in page:
            by_subject[entry.place.subject].append(entry.place)
        for subject, places in by_subject.items():
            gone += await _destroy_of(by, subject, places)
    return gone


async def _looked_until(by: Means) -> datetime:
    async with by.database.transaction() as tx:
        found = await tx.scalar(select(func.max(Sweep.orphans_until)))
    return found or datetime.min.replace(tzinfo=UTC)


async def _destroy_of(by: Means, subject: str, places: Sequence[Place]) -> int:
    held = {holding.scope for holding in await by.holdings.of(subject)}
    orphans = [place for place in places if place.scope not in held]
    if not orphans:
        return 0
    async with by.database.transaction() as tx:
        if await holds.keeping(tx, subject, None):
            return 0
        now = by.clock()
        await by.audit.record(
            [
                deletion_access(by, subject, change="orphan_key_destroyed", resource=scope)
                for scope in sorted({place.scope for place in orphans})
            ]
        )
        await by.journal.append(orphans, now=now)
        for place in orphans:
            await by.destroy(place, now)
    return len(orphans)
