"""Which keys there are and were, without unwrapping any: for whoever decides what goes."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from privacy_gateway.clients.line import LineFailed, Lines
from privacy_gateway.domain.vault.data_keys import AUDIT_TAG, KeysUnavailable
from privacy_gateway.domain.vault.key_cache import Place

PAGE: Final = 5_000
_OF = """
SELECT key_id, subject, scope, retention_class, destroyed_at FROM data_keys
WHERE subject = $1 ORDER BY scope, retention_class
"""
_PAGE = """
SELECT key_id, subject, scope, retention_class, destroyed_at FROM data_keys
WHERE key_id > $1 ORDER BY key_id LIMIT $2
"""
_MADE = """
SELECT key_id, subject, scope, retention_class, destroyed_at FROM data_keys
WHERE created_at >= $1 AND created_at < $2 AND key_id > $3 AND destroyed_at IS NULL
AND retention_class <> $4 ORDER BY key_id LIMIT $5
"""


class Entry(NamedTuple):
    """A place and whether its key is there still."""

    key_id: str
    place: Place
    destroyed_at: datetime | None


class Inventory:
    def __init__(self, url: str, *, deadline_seconds: float = 5.0) -> None:
        self._lines = Lines(
            url, name="privity-inventory", deadline_seconds=deadline_seconds, count=2
        )

    def close(self) -> None:
        self._lines.cut()

    async def of(self, subject: str) -> list[Entry]:
        """Every place of one person. Raises KeysUnavailable."""
        return await self._fetch(_OF, subject)

    async def everything(self) -> AsyncIterator[Sequence[Entry]]:
        """All places, page by page."""
        last = ""
        while found := await self._fetch(_PAGE, last, PAGE):
            yield found
            last = found[-1].key_id

    async def made(self, since: datetime, until: datetime) -> AsyncIterator[Sequence[Entry]]:
        """Places that got their key in this time and have it still, page by page; tags left out."""
        last = ""
        while found := await self._fetch(_MADE, since, until, last, AUDIT_TAG, PAGE):
            yield found
            last = found[-1].key_id

    async def _fetch(self, statement: str, *arguments: object) -> list[Entry]:
        try:
            rows = await self._lines.fetch(statement, *arguments)
        except LineFailed as exc:
            raise KeysUnavailable(f"no answer: {type(exc).__name__}") from None
        return [
            Entry(
                row["key_id"],
                Place(row["subject"], row["scope"], row["retention_class"]),
                row["destroyed_at"],
            )
            for row in rows
        ]
