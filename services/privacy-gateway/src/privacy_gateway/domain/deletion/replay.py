"""After a restore: what was deleted since the backup is deleted again, before anything is served.

Each restorable database says up to which entry of the journal it is known to agree; the older of
them decides. With nothing new in the journal this is two look-ups.
"""

from collections import defaultdict
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from privacy_gateway.domain.deletion.journal import JournalUnavailable
from privacy_gateway.domain.deletion.means import Means, deletion_access
from privacy_gateway.domain.vault.key_cache import Place
from privacy_gateway.models import RetentionEnd
from privity_database import Database

# An entry with a smaller number can be committed after one with a greater.
OVERLAP: Final = 1_000
_MARK: Final = text("SELECT through FROM journal_replay")
_KEY_CHECK: Final = text("SELECT key_check FROM journal_replay")
_SET_KEY_CHECK: Final = text("UPDATE journal_replay SET key_check = :check")
_SET: Final = text("UPDATE journal_replay SET through = greatest(through, :through)")
_log = structlog.get_logger("privity.deletion")


async def replay(by: Means, keys_database: Database, *, now: datetime) -> int:
    """How many people's data had come back. Raises Unavailable: then nothing may be served."""
    databases = (by.database, keys_database)
    for database in databases:
        await _require_key(database, by.journal.key_check)
    latest = await by.journal.latest()
    known = [await _mark(database) for database in databases]
    if max(known) > latest:
        # Somebody emptied it, or brought an old copy: what it no longer says would come back.
        raise JournalUnavailable("the journal knows less than it did")
    if min(known) >= latest:
        return 0
    tags = await by.journal.since(max(0, min(known) - OVERLAP))
    returned = await _returned(by, tags, now=now)
    for database in databases:
        async with database.transaction() as tx:
            await tx.execute(_SET, {"through": latest})
    return returned


async def _require_key(database: Database, check: bytes) -> None:
    """Under another key no entry is recognised, and whoever was deleted would come back."""
    async with database.transaction() as tx:
        known = await tx.scalar(_KEY_CHECK)
        if known is None:
            await tx.execute(_SET_KEY_CHECK, {"check": check})
        elif bytes(known) != check:
            raise JournalUnavailable("written under another key: bring the file `requests` back")


async def _mark(database: Database) -> int:
    async with database.transaction() as tx:
        return int(await tx.scalar(_MARK) or 0)


async def _returned(by: Means, tags: frozenset[bytes], *, now: datetime) -> int:
    """Destroys first, everywhere, and drops afterwards."""
    gone: dict[tuple[str, str], set[str]] = defaultdict(set)
    alive: set[str] = set()
    classes = list(by.policy.file.retention)
    async for entries in by.inventory.everything():
        scopes = {(entry.place.subject, entry.place.scope) for entry in entries}
        places = {Place(*scope, each) for scope in scopes for each in classes}
        # A class that no policy names any more was deleted all the same.
        places |= {entry.place for entry in entries}
        deleted = set(by.journal.deleted(places, tags))
        for place in deleted:
            gone[place.subject, place.scope].add(place.retention_class)
        for entry in entries:
            if entry.destroyed_at is None and entry.place in deleted:
                await by.destroy(entry.place, now)
                alive.add(entry.place.subject)
    dropped = set()
    for (subject, scope), ended in gone.items():
        if await by.holdings.drop(subject, scope, ended):
            dropped.add(subject)
        await _remember(by, scope, ended, now=now)
    people = alive | dropped
    if people:
        _log.warning("deletions_replayed", people=len(people))
        access = deletion_access(by, None, change="deletions_replayed", resource="journal")
        await by.audit.record([access])
    return len(people)


async def _remember(by: Means, scope: str, ended: set[str], *, now: datetime) -> None:
    async with by.database.transaction() as tx:
        for retention_class in sorted(ended):
            row = {"scope": scope, "retention_class": retention_class}
            statement = insert(RetentionEnd).values(**row, why="replayed", at=now)
            await tx.execute(statement.on_conflict_do_nothing())
