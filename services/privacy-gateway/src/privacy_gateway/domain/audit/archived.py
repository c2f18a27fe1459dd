"""What is not in the store any more because its month was closed, and where it proves."""

from datetime import UTC, datetime
from typing import Any

from privacy_gateway.domain.audit.filters import Filters
from privacy_gateway.domain.audit.query import Records
from privity_contracts import ids
from privity_rest import NotFound, Refusal

_MONTHS = "SELECT month, records, manifest FROM archived_months ORDER BY month DESC"


class RecordArchived(Refusal):
    status, code, title = 410, "record_archived", "The record lies in the archive of its month"


async def months(records: Records, filters: Filters) -> list[dict[str, Any]]:
    """Those that a search with these filters would have reached, newest first."""
    since = "" if filters.since is None else f"{filters.since.astimezone(UTC):%Y-%m}"
    until = "9999" if filters.until is None else f"{filters.until.astimezone(UTC):%Y-%m}"
    rows = await records.fetch(_MONTHS)
    return [dict(row) for row in rows if since <= row["month"] <= until]


async def missing(records: Records, record_id: str) -> Refusal:
    """Why there is no such record: the time in its id says which month it was of."""
    month = f"{_minted_at(record_id):%Y-%m}"
    if any(row["month"] == month for row in await records.fetch(_MONTHS)):
        return RecordArchived(f"{record_id} would be in the archive of {month}")
    return NotFound(f"no record {record_id}")


def _minted_at(record_id: str) -> datetime:
    number = 0
    for character in record_id.rpartition("_")[2]:
        number = number * 32 + ids.ALPHABET.index(character)
    # RFC 9562, section 5.7: the first 48 of 128 bits are milliseconds since 1970.
    milliseconds = (number & (1 << 128) - 1) >> 80
    return datetime.fromtimestamp(min(milliseconds, 4_102_444_800_000) / 1000, UTC)
