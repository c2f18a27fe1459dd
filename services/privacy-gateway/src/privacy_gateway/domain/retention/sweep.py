"""The sweep: what is due goes, key first, then the rows; what a hold keeps waits; a report says it.

It works through scopes, each by itself, so that one that cannot be dropped holds up no other. Again
is the same as once: what is gone is not due any more.
"""

from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, datetime, time, timedelta
from typing import Final

import structlog
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.domain.deletion import partners
from privacy_gateway.domain.deletion.means import Means, deletion_access
from privacy_gateway.domain.retention import clocks, holds
from privacy_gateway.domain.retention import orphans as orphan_keys
from privacy_gateway.domain.retention.dueness import DueClass, due
from privacy_gateway.domain.vault.key_cache import Place
from privacy_gateway.models import LeftBehind, RetentionEnd, Sweep
from privity_contracts import ids
from privity_jobs import RetryLater, enqueue
from privity_rest import Unavailable

SWEEP: Final = "retention_sweep"
AT: Final = time(2, 0)
AT_ONCE: Final = 1000
_log = structlog.get_logger("privity.retention")


async def schedule(tx: AsyncSession, *, now: datetime) -> None:
    """One each night, however many processes ask for it."""
    today = datetime.combine(now.astimezone(UTC).date(), AT, UTC)
    at = today if now <= today else today + timedelta(days=1)
    await enqueue(tx, SWEEP, {}, key=at.strftime("%Y-%m-%d"), run_at=at)


async def sweep(by: Means) -> str:
    """The id of its report. Raises RetryLater when something could not go yet."""
    began = by.clock()
    gone = failed = 0
    passed: set[str] = set()
    file = by.policy.file
    async with by.database.transaction() as tx:
        found = await due(tx, file, until=began, limit=AT_ONCE, held=True)
    held = {(each.scope, each.retention_class) for each in found}
    while True:
        async with by.database.transaction() as tx:
            found = await due(tx, file, until=began, limit=AT_ONCE, held=False, but=passed)
        waiting = _by_scope(found)
        if not waiting or failed > AT_ONCE:
            break
        for scope, classes in waiting.items():
            try:
                if not await _end(by, scope, classes):
                    held.update((each.scope, each.retention_class) for each in classes)
                    passed.add(scope)
                    continue
            except Unavailable as exc:
                _log.warning("not_swept", reason=exc.code)
                passed.add(scope)
                failed += 1
            else:
                gone += len(classes)
    orphans, orphans_until = 0, began - orphan_keys.AFTER
    looked = True
    try:
        orphans = await orphan_keys.destroy(by, until=orphans_until)
    except Unavailable as exc:
        _log.warning("orphans_not_swept", reason=exc.code)
        looked, failed = False, failed + 1
    report = Sweep(
        id=ids.mint("swp"),
        began_at=began,
        ended_at=by.clock(),
        gone=gone,
        held=len(held),
        failed=failed,
        orphans=orphans,
        orphans_until=orphans_until if looked else None,
    )
    async with by.database.transaction() as tx:
        tx.add(report)
    await by.audit.record([deletion_access(by, None, change="retention_swept", resource=report.id)])
    if failed:
        raise RetryLater("not_everything_went")
    return report.id


def _by_scope(found: Collection[DueClass]) -> dict[str, list[DueClass]]:
    by_scope: dict[str, list[DueClass]] = defaultdict(list)
    for each in found:
        by_scope[each.scope].append(each)
    return by_scope


async def _end(by: Means, scope: str, classes: list[DueClass]) -> bool:
    """False where a hold keeps it: a night is long, and somebody may have placed one since."""
    now, subject = by.clock(), classes[0].subject_id
    places = [Place(subject, scope, each.retention_class) for each in classes]
    access = deletion_access(by, subject, change="retention_ended", resource=scope)
    # Who places a hold meanwhile waits, and then it stands over what is left.
    async with by.database.transaction() as tx:
        if await holds.keeping(tx, subject, scope):
            return False
        await by.audit.record([access])
        await by.journal.append(places, now=now)
        for place in places:
            await by.destroy(place, now)
    async with by.database.transaction() as tx:
        earlier = await tx.scalars(
            select(RetentionEnd.retention_class).where(RetentionEnd.scope == scope)
        )
        ended = {*earlier, *(each.retention_class for each in classes)}
    await by.holdings.drop(subject, scope, ended)
    async with by.database.transaction() as tx:
        for each in classes:
            await tx.execute(
                insert(RetentionEnd)
                .values(
                    scope=scope,
                    retention_class=each.retention_class,
                    why=each.rule.clock,
                    at=now,
                )
                .on_conflict_do_nothing()
            )
        if scope == f"account/{subject}" and any(e.retention_class == "identity" for e in classes):
            await clocks.start(
                tx, scope, "account_closed", subject_id=subject, country=None, at=now
            )
        left_by = delete(LeftBehind).where(LeftBehind.scope == scope)
        deletion_id = await tx.scalar(left_by.returning(LeftBehind.deletion_id))
        kind, _, order_id = scope.partition("/")
        if deletion_id is not None and kind == "order":
            # It was under way when its customer was deleted: its partners are told now.
            await partners.ask(tx, deletion_id, [order_id], now=now)
    return True
