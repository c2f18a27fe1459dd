"""What was deleted, so that it stays deleted: written before a key goes, read after a restore.

An entry is a tag of one place, keyed and irreversible. The journal has a database of its own that
no backup of the others includes and no restore touches; the gateway compares it with every place
it knows of before it serves.
"""

import hmac
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final

import asyncpg

from privacy_gateway.clients.line import LineFailed, Lines
from privacy_gateway.domain.vault.key_cache import Place
from privity_rest import Unavailable

_APPEND: Final = """
INSERT INTO journal (tag, at) SELECT tag, $2 FROM unnest($1::bytea[]) AS t (tag)
ON CONFLICT (tag) DO NOTHING
"""
_LATEST: Final = "SELECT coalesce(max(number), 0) AS number FROM journal"
_SINCE: Final = "SELECT tag FROM journal WHERE number > $1"


class JournalUnavailable(Unavailable):
    code, title = "journal_unavailable", "Nothing is deleted while it cannot be written down"


class Journal:
    def __init__(self, url: str, key: bytes, *, deadline_seconds: float = 5.0) -> None:
        self._lines = Lines(url, name="privity-journal", deadline_seconds=deadline_seconds, count=1)
        self._key = key

    def close(self) -> None:
        self._lines.cut()

    def tag(self, place: Place) -> bytes:
        return hmac.digest(self._key, "|".join(("j1", *place)).encode(), "sha256")

    @property
    def key_check(self) -> bytes:
        """Tells two keys apart, and nothing else."""
        return hmac.digest(self._key, b"which key", "sha256")[:16]

    async def append(self, places: Iterable[Place], *, now: datetime) -> None:
        """Durable when it returns; again is the same as once. Raises JournalUnavailable."""
        tags = sorted(self.tag(place) for place in places)
        if tags:
            await self._fetch(_APPEND, tags, now)

    async def latest(self) -> int:
        [row] = await self._fetch(_LATEST)
        return int(row["number"])

    async def since(self, number: int) -> frozenset[bytes]:
        return frozenset(row["tag"] for row in await self._fetch(_SINCE, number))

    def deleted(self, places: Collection[Place], tags: Collection[bytes]) -> list[Place]:
        """Those of the places that the journal says are gone."""
        return [place for place in places if self.tag(place) in tags]

    async def _fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        try:
            return await self._lines.fetch(statement, *arguments)
        except LineFailed as exc:
            raise JournalUnavailable(f"no answer: {type(exc).__name__}") from None
