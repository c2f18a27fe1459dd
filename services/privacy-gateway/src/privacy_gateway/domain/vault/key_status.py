"""What there is to know about the keys, and what is due: ages and counts, never a key."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from privacy_gateway.domain.vault.kek import KeyEncryption
from privacy_gateway.domain.vault.key_table import AUDIT_TAG

KEK_DAYS = 365
RING_DAYS = {"token_signing": 90, "blind_index": 730}
DATA_KEY_DAYS = 365
SECRET_DAYS = 365
FILE_DAYS = 1095
FILES: Final = {
    "audit_identity": "audit-identity.pem",
    "receipt_signing": "receipt-signing.pem",
    "requests": "requests",
}
"""Keys that are replaced with a restart: docs/keys.md."""

_DATA_KEYS = """
SELECT count(*) FILTER (WHERE destroyed_at IS NULL) AS alive,
count(*) FILTER (WHERE destroyed_at IS NOT NULL) AS destroyed,
count(*) FILTER (WHERE destroyed_at IS NULL AND retired_at IS NOT NULL) AS retired,
count(*) FILTER (WHERE destroyed_at IS NULL AND retired_at IS NULL AND retention_class <> $1
    AND created_at < now() - make_interval(days => $2)) AS old,
min(created_at) FILTER (WHERE destroyed_at IS NULL AND retired_at IS NULL) AS since,
coalesce(max(seals), 0) AS most_seals
FROM data_keys
"""
_BY_KEK = """
SELECT kek_id, count(*) AS keys, min(created_at) AS since FROM data_keys
WHERE destroyed_at IS NULL GROUP BY 1 ORDER BY 1
"""
_RINGS = "SELECT ring, key_id, state, created_at, ends_at FROM ring_keys ORDER BY 1, 4"
_SECRETS = """
SELECT use, count(*) AS recipients, min(newest) AS since,
count(*) FILTER (WHERE newest < now() - make_interval(days => $1)) AS old, sum(overlapping) AS more
FROM (
    SELECT use, recipient_id, max(created_at) AS newest, count(*) - 1 AS overlapping
    FROM webhook_secrets WHERE expires_at IS NULL OR expires_at > now() GROUP BY 1, 2
) AS each GROUP BY 1 ORDER BY 1
"""
_HOLDERS = "SELECT count(*) AS held FROM key_holders WHERE seen_at > now() - interval '10 seconds'"
_ROTATIONS = """
SELECT id, kind, key_id, done, "left", problem, begun_at, moved_at FROM key_rotations
WHERE finished_at IS NULL ORDER BY begun_at
"""

Fetch = Callable[..., Awaitable[list[Any]]]


class Line(NamedTuple):
    """A key, or all of a kind. `due` says what to do about it; nothing when all is well."""

    kind: str
    key: str | None
    since: datetime | None
    says: str
    due: str = ""


class Running(NamedTuple):
    """A rotation that is not at its end; `left` is what is to be done, as far as it is known."""

    id: str
    kind: str
    key: str | None
    done: int
    left: int | None
    problem: str | None
    begun_at: datetime
    moved_at: datetime


class Status(NamedTuple):
    lines: list[Line]
    running: list[Running]
    processes: int

    @property
    def due(self) -> bool:
        return any(line.due for line in self.lines)


async def status(
    keys: Fetch, gateway: Fetch, keks: KeyEncryption, *, secrets_dir: Path, now: datetime
) -> Status:
    """`keys` and `gateway` ask their databases."""
    current = await keks.current()
    lines = [_kek(row, current, now) for row in await keys(_BY_KEK)]
    [row] = await keys(_DATA_KEYS, AUDIT_TAG, DATA_KEY_DAYS)
    lines.append(_data_keys(row))
    lines += [_ring(row, now) for row in await keys(_RINGS)]
    lines += [_secrets(row) for row in await gateway(_SECRETS, SECRET_DAYS)]
    lines += [_file(kind, secrets_dir / name, now) for kind, name in FILES.items()]
    [holders] = await keys(_HOLDERS)
    running = [Running(*row.values()) for row in await keys(_ROTATIONS)]
    return Status(lines, running, holders["held"])


def _data_keys(row: Any) -> Line:
    says = (
        f"{row['alive']:,} alive ({row['retired']:,} of them only open), "
        f"{row['destroyed']:,} destroyed; the busiest has sealed {row['most_seals']:,} times"
    )
    due = f"{row['old']:,} follow at their next write; keys rotate data-keys: all now"
    return Line("data_keys", None, row["since"], says, due if row["old"] else "")


def _kek(row: Any, current: str, now: datetime) -> Line:
    days = (now - row["since"]).days
    says = f"wraps {row['keys']:,} data keys, the oldest {days} days old"
    due = "keys rotate kek" if days > KEK_DAYS else ""
    if row["kek_id"] != current:
        due = "an earlier one; keys rotate kek --resume"
    return Line("key_encryption", row["kek_id"], row["since"], says, due)


def _ring(row: Any, now: datetime) -> Line:
    ring, state = row["ring"], row["state"]
    age = now - row["created_at"]
    says = f"{state}, {age.days} days old"
    if row["ends_at"] is not None:
        says += f", accepted until {row['ends_at'].astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    command = f"keys rotate {ring.replace('_', '-')}"
    due = ""
    if state == "coming" and age > timedelta(minutes=10):
        due = f"was interrupted; {command}"
    elif state == "current" and age > timedelta(days=RING_DAYS.get(ring, 365)):
        due = command
    return Line(ring, row["key_id"], row["created_at"], says, due)


def _secrets(row: Any) -> Line:
    says = f"of {row['recipients']:,} recipients; {row['more']:,} earlier ones are good still"
    due = f"{row['old']:,} are due; POST /v1/recipients/…/secrets" if row["old"] else ""
    return Line(f"{row['use']}_secrets", None, row["since"], says, due)


def _file(kind: str, path: Path, now: datetime) -> Line:
    try:
        since = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:
        return Line(kind, None, None, "not here", "")
    days = (now - since).days
    due = "replace the file and restart: docs/keys.md" if days > FILE_DAYS else ""
    return Line(kind, None, since, f"a file, {days} days old", due)
