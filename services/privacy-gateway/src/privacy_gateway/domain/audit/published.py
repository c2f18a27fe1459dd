"""The log as anybody may read it: checkpoints, tiles, and proofs in the C2SP forms.

Nothing is answered beyond the newest checkpoint that a witness cosigned: what is not published yet
could still be said to have been otherwise.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from privacy_gateway.clients.line import LineFailed, Lines
from privacy_gateway.domain.audit.log import StoreUnavailable
from privity_rest import NotFound
from privity_transparency import plans
from privity_transparency.encoding import HASH_BYTES
from privity_transparency.proof import Bundle
from privity_transparency.tiles import WIDTH, TileId, bundle, width

_HEAD = "SELECT size, note FROM checkpoints WHERE cosigned ORDER BY size DESC LIMIT 1"
_TILES = """
SELECT level, number, hashes FROM tiles
JOIN unnest($1::smallint[], $2::bigint[]) AS wanted (level, number) USING (level, number)
"""
_ENTRIES = """
SELECT r.leaf FROM log_batches AS l
JOIN records AS r ON r.process_id = l.process_id AND r.batch = l.number
WHERE l.first_index < $2
  AND l.first_index >= (SELECT max(first_index) FROM log_batches WHERE first_index <= $1)
  AND l.first_index + r.position >= $1 AND l.first_index + r.position < $2
ORDER BY l.first_index + r.position
"""
_PLACE = """
SELECT l.first_index + r.position AS index, r.leaf FROM records AS r
LEFT JOIN log_batches AS l ON l.process_id = r.process_id AND l.number = r.batch WHERE r.id = $1
  AND r.process_id IS NOT NULL
"""


class NotInTheLog(NotFound):
    code = "not_in_the_log"


class NotPublishedYet(NotFound):
    """A moment later it may be."""

    code = "not_published_yet"


class Head(NamedTuple):
    size: int
    note: str


class PublishedLog:
    def __init__(self, url: str) -> None:
        self._lines = Lines(url, name="privity-audit-log", deadline_seconds=2, count=2)

    def close(self) -> None:
        self._lines.cut()

    async def head(self) -> Head:
        """The newest checkpoint. Raises NotPublishedYet before the first."""
        rows = await self._fetch(_HEAD)
        if not rows:
            raise NotPublishedYet("there is no checkpoint yet")
        return Head(*rows[0])

    async def tile(self, level: int, number: int, wanted: int) -> bytes:
        """So many hashes of it. Raises NotPublishedYet."""
        head = await self.head()
        if wanted > width(level, number, head.size):
            raise NotPublishedYet("the log does not reach that far")
        found = await self._tiles({TileId(level, number)})
        content = found.get(TileId(level, number), b"")[: wanted * HASH_BYTES]
        if len(content) != wanted * HASH_BYTES:
            raise StoreUnavailable("a tile is missing")
        return content

    async def entries(self, number: int, wanted: int) -> bytes:
        """An entry bundle. Raises NotPublishedYet."""
        head = await self.head()
        if wanted > width(0, number, head.size):
            raise NotPublishedYet("the log does not reach that far")
        first = number * WIDTH
        rows = await self._fetch(_ENTRIES, first, first + wanted)
        if len(rows) != wanted:
            raise StoreUnavailable("an entry is missing")
        return bundle(row["leaf"] for row in rows)

    async def inclusion(self, index: int, size: int) -> list[bytes]:
        """RFC 6962, section 2.1.1. Raises NotPublishedYet."""
        await self._require(size)
        if not 0 <= index < size:
            raise NotInTheLog("the index is outside the log")
        return await self._resolved(plans.inclusion(index, size))

    async def consistency(self, size1: int, size2: int) -> list[bytes]:
        """RFC 6962, section 2.1.2. Raises NotPublishedYet."""
        await self._require(size2)
        if not 0 < size1 <= size2:
            raise NotInTheLog("a proof leads from a smaller log to a larger one")
        return await self._resolved(plans.consistency(size1, size2)) if size1 < size2 else []

    async def proof_of(self, record_id: str) -> Bundle:
        """With the leaf, to be checked offline. Raises NotInTheLog or NotPublishedYet."""
        head = await self.head()
        rows = await self._fetch(_PLACE, record_id)
        if not rows:
            raise NotInTheLog(f"record {record_id} is not in the log")
        index, leaf = rows[0]
        if index is None or index >= head.size:
            raise NotPublishedYet(f"record {record_id} is in no checkpoint yet")
        proof = await self._resolved(plans.inclusion(index, head.size))
        return Bundle(index, tuple(proof), head.note, extra=leaf)

    async def _require(self, size: int) -> None:
        if size > (await self.head()).size:
            raise NotPublishedYet("the log does not reach that far")

    async def _resolved(self, plan: plans.Plan) -> list[bytes]:
        try:
            return plans.resolve(plan, await self._tiles(plans.tiles_of(plan)))
        except plans.TileMissing:
            raise StoreUnavailable("a tile is missing") from None

    async def _tiles(self, wanted: set[TileId]) -> dict[TileId, bytes]:
        asked = list(wanted)
        rows = await self._fetch(
            _TILES, [tile.level for tile in asked], [tile.number for tile in asked]
        )
        return {TileId(row["level"], row["number"]): row["hashes"] for row in rows}

    async def _fetch(self, question: str, *arguments: object) -> list[Any]:
        try:
            return await self._lines.fetch(question, *arguments)
        except LineFailed as exc:
            raise StoreUnavailable(
                f"the audit store did not answer: {type(exc).__name__}"
            ) from None
