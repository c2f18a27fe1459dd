"""Following the log: every record once, in the log's own order, from any index on.

A record's time is that of the process that wrote it, and a later commit can be of an earlier time.
Only the log puts records in an order that never changes behind a reader.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from privacy_gateway.domain.audit import leaf as leaves
from privacy_gateway.domain.audit.filters import COLUMNS
from privacy_gateway.domain.audit.query import Records, believed

_BATCHES = 500
_FROM = f"""
SELECT first_index, process_id, number, records FROM log_batches
WHERE first_index >= coalesce(
    (SELECT max(first_index) FROM log_batches WHERE first_index <= $1), 0)
ORDER BY first_index LIMIT {_BATCHES}
"""  # noqa: S608  # a constant
_UNTIL = f"SELECT max(first_index + records) AS until FROM ({_FROM}) AS batch"  # noqa: S608
_BETWEEN = f"""
SELECT batch.first_index + record.position AS log_index, record.* FROM ({_FROM}) AS batch
CROSS JOIN LATERAL (
    SELECT {COLUMNS}, process_id, batch, position FROM records
    WHERE records.process_id = batch.process_id AND records.batch = batch.number
) AS record
WHERE batch.first_index + record.position >= $1 AND batch.first_index + record.position < $2
ORDER BY batch.first_index, record.position LIMIT $3
"""  # noqa: S608  # constants
_SIZE = "SELECT first_index + records AS size FROM log_batches ORDER BY first_index DESC LIMIT 1"
_INDEX = """
SELECT log_batches.first_index + records.position AS log_index FROM records
JOIN log_batches ON log_batches.process_id = records.process_id
                AND log_batches.number = records.batch
WHERE records.id = $1
"""


@dataclass(frozen=True, slots=True)
class Entry:
    index: int
    record_id: str
    at: datetime
    content: bytes
    members: dict[str, Any] | None
    """What the leaf says; nothing when the columns say something else."""
    process_id: str
    batch: int
    position: int

    @property
    def leaf(self) -> dict[str, Any]:
        """What it says, whatever the columns say."""
        return self.members or leaves.read(self.content)


@dataclass(frozen=True, slots=True)
class Stretch:
    entries: list[Entry]
    next_index: int
    """Where to go on."""
    missing: int
    """Records that the log has and the store has not: of a month that was archived, or taken."""


class Tail:
    def __init__(self, records: Records) -> None:
        self._records = records

    async def size(self) -> int:
        """Of the log: the index that the next record gets."""
        rows = await self._records.fetch(_SIZE)
        return rows[0]["size"] if rows else 0

    async def index_of(self, record_id: str) -> int | None:
        """Nothing for a record that is not in the log yet, or is not there."""
        rows = await self._records.fetch(_INDEX, record_id)
        return rows[0]["log_index"] if rows else None

    async def since(self, index: int, *, limit: int) -> Stretch:
        """Up to so many records from this index on; none and the same index at the end."""
        # How far first: what is added to the log meanwhile is for the next stretch.
        [row] = await self._records.fetch(_UNTIL, index)
        until = max(row["until"] or 0, index)
        rows = await self._records.fetch(_BETWEEN, index, until, limit)
        entries = [
            Entry(
                row["log_index"],
                row["id"],
                row["recorded_at"],
                bytes(row["leaf"]),
                believed(row),
                row["process_id"],
                row["batch"],
                row["position"],
            )
            for row in rows
        ]
        following = entries[-1].index + 1 if len(entries) == limit else until
        return Stretch(entries, following, missing=following - index - len(entries))
