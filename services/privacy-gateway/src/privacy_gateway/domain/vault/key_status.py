"""What there is to know about the keys, and what is due: ages and counts, never a key."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from privacy_gateway.domain.vault.kek import KeyEncryption
from privacy_gateway.domain.vault.key_table import AUDIT_TAG

KEK_DAYS = 365
RING_DAYS = {"token_signing": 90}
DATA_KEY_DAYS = 365

_DATA_KEYS = """
SELECT count(*) FILTER (WHERE destroyed_at IS NULL) AS alive,
count(*) FILTER (WHERE destroyed_at IS NOT NULL) AS destroyed,
count(*) FILTER (WHERE destroyed_at IS NULL AND retired_at IS NOT NULL) AS retired,
count(*) FILTER (WHERE destroyed_at IS NULL AND retired_at IS NULL AND retention_class <> $1
    AND created_at < now() - make_interval(days => $2)) AS old,
coalesce(max(seals), 0) AS most_seals
FROM data_keys
"""
_BY_KEK = """
SELECT kek_id, count(*) AS keys, min(created_at) AS since FROM data_keys
WHERE destroyed_at IS NULL GROUP BY 1 ORDER BY 1
"""
_RINGS = "SELECT ring, key_id, state, created_at, ends_at FROM ring_keys ORDER BY 1, 4"
_HOLDERS = "SELECT count(*) FROM key_holders WHERE seen_at > now() - interval '10 seconds'"


class Line(NamedTuple):
    what: str
    says: str
    next: str = ""
    """What to do about it; nothing when all is well."""


async def status(connection: Any, keks: KeyEncryption, *, now: datetime) -> list[Line]:
    current = await keks.current()
    lines = [_kek(row, current, now) for row in await connection.fetch(_BY_KEK)]
    row = await connection.fetchrow(_DATA_KEYS, AUDIT_TAG, DATA_KEY_DAYS)
    lines.append(
        Line(
            "data keys",
            f"{row['alive']:,} alive ({row['retired']:,} of them only open), "
            f"{row['destroyed']:,} destroyed; the busiest has sealed {row['most_seals']:,} times",
            f"{row['old']:,} are due and follow at their next write; keys rotate data-keys: all now"
            if row["old"]
            else "",
        )
    )
    lines += [_ring(row, now) for row in await connection.fetch(_RINGS)]
    holders = await connection.fetchval(_HOLDERS)
    lines.append(Line("processes", f"{holders} hold keys"))
    return lines


def _kek(row: Any, current: str, now: datetime) -> Line:
    what = f"key-encryption key {row['kek_id']}"
    days = (now - row["since"]).days
    says = f"wraps {row['keys']:,} data keys, the oldest {days} days old"
    if row["kek_id"] != current:
        return Line(what, says, "an earlier one; keys rotate kek --resume")
    return Line(what, says, "keys rotate kek" if days > KEK_DAYS else "")


def _ring(row: Any, now: datetime) -> Line:
    what = f"{row['ring'].replace('_', '-')} {row['key_id']}"
    age = now - row["created_at"]
    says = f"{row['state']}, {age.days} days old"
    if row["ends_at"] is not None:
        says += f", accepted until {row['ends_at'].astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    due = row["state"] == "current" and age > timedelta(days=RING_DAYS.get(row["ring"], 365))
    if row["state"] == "coming":
        return Line(what, says, f"was interrupted; keys rotate {row['ring'].replace('_', '-')}")
    return Line(what, says, f"keys rotate {row['ring'].replace('_', '-')}" if due else "")
