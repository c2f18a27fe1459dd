"""The watch: follows the log, counts what it holds, and raises alerts; one process at a time does.

How far it has come, what it counted and what it raised are one commit, so a record counts once,
whoever is killed in between.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import or_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.domain.audit.query import Records
from privacy_gateway.domain.audit.tail import Entry, Stretch, Tail
from privacy_gateway.domain.vault.vault import Vault
from privacy_gateway.domain.watch import alerts
from privacy_gateway.domain.watch.looking import Finding, Looking
from privacy_gateway.domain.watch.reconciling import unreconciled
from privacy_gateway.domain.watch.rules import Rules
from privacy_gateway.models import RecordCount, WatchPlace
from privity_contracts import ids
from privity_database import Database
from privity_rest import Unavailable
from privity_rest.background import beside

LOOK_SECONDS: Final = 1.0
RECONCILE_SECONDS: Final = 5.0
LEASE: Final = timedelta(seconds=10)
_STRETCH: Final = 1_000

_log = structlog.get_logger("privity.watch")


class _Overtaken(Exception):
    """Another process has the watch by now."""


class Watch:
    def __init__(
        self,
        database: Database,
        records: Records,
        vault: Vault,
        rules: Rules,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._records = records
        self._tail = Tail(records)
        self._vault = vault
        self._looking = Looking(records, rules)
        self._clock = clock
        self._name = ids.mint("prc")
        self.raised: Counter[str] = Counter()
        """By rule, by this process."""
        self.next_index = 0
        self.unreconciled = 0

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        async with (
            beside(self._every(LOOK_SECONDS, self.catch_up), name="watch"),
            beside(self._every(RECONCILE_SECONDS, self.reconcile), name="opens"),
        ):
            yield

    async def _every(self, seconds: float, step: Callable[[], Any]) -> None:
        while True:
            try:
                await step()
            except Unavailable as exc:
                _log.warning("watch_cannot_look", reason=exc.code)
            except Exception as exc:  # noqa: BLE001  # the worker: ended, it would see nothing
                _log.error("watch_cannot_look", reason=type(exc).__name__)
            await asyncio.sleep(seconds)

    async def catch_up(self) -> None:
        """To the end of the log, if the watch is this process's."""
        with contextlib.suppress(_Overtaken):
            while await self._one_stretch():
                pass

    async def reconcile(self) -> None:
        """Every process for itself: what it opened only it knows."""
        now = self._clock()
        found = await unreconciled(self._vault, self._records, now=now)
        self.unreconciled = sum(finding.count for finding in found)
        if found:
            async with self._database.transaction() as tx:
                fresh = await alerts.raise_all(tx, found, now=now)
            self._tell(fresh)

    async def _one_stretch(self) -> bool:
        """Whether there may be more."""
        now = self._clock()
        place = await self._claim(now)
        if place is None:
            return False
        index, seen = place
        stretch = await self._tail.since(index, limit=_STRETCH)
        findings = await self._looking.over(stretch)
        newest = max([seen, *(entry.at for entry in stretch.entries)])
        if stretch.next_index == index:
            findings += await self._looking.log_behind(seen=newest, now=now)
        async with self._database.transaction() as tx:
            await self._advance(tx, stretch, index=index, seen=newest)
            fresh = await alerts.raise_all(tx, findings, now=now)
        self.next_index = stretch.next_index
        self._tell(fresh)
        return stretch.next_index != index

    async def _claim(self, now: datetime) -> tuple[int, datetime] | None:
        free = or_(WatchPlace.holder == self._name, WatchPlace.until < now)
        async with self._database.transaction() as tx:
            row = await tx.execute(
                update(WatchPlace)
                .where(WatchPlace.one, free)
                .values(holder=self._name, until=now + LEASE)
                .returning(WatchPlace.next_index, WatchPlace.seen_at)
            )
            found = row.one_or_none()
        return None if found is None else (found[0], found[1])

    async def _advance(
        self, tx: AsyncSession, stretch: Stretch, *, index: int, seen: datetime
    ) -> None:
        moved = await tx.scalar(
            update(WatchPlace)
            .where(WatchPlace.one, WatchPlace.next_index == index, WatchPlace.holder == self._name)
            .values(next_index=stretch.next_index, seen_at=seen)
            .returning(WatchPlace.next_index)
        )
        if moved is None:
            raise _Overtaken
        for values in _counted(stretch.entries):
            statement = insert(RecordCount).values(values)
            await tx.execute(
                statement.on_conflict_do_update(
                    constraint="record_counts_pkey",
                    set_={"records": RecordCount.records + statement.excluded.records},
                )
            )

    def _tell(self, fresh: Iterable[Finding]) -> None:
        self.raised.update(finding.rule for finding in fresh)
        alerts.tell(fresh)


def _counted(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    names = ("kind", "decision", "purpose", "role", "service")
    found: Counter[tuple[Any, ...]] = Counter()
    for entry in entries:
        if entry.members is not None:
            hour = entry.at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
            found[hour, *(entry.members[name] for name in names)] += 1
    # In one order everywhere, for the locks.
    return [
        dict(zip(("hour", *names), key, strict=True)) | {"records": count}
        for key, count in sorted(found.items())
    ]
