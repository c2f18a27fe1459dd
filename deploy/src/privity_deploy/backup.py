"""`make backup`: the shop's data, its keys and its journal of deletions, each to its own place.

The keys come after everything that they open, so that no value is without its key; the journal
comes last and goes nowhere near the others: see docs/backup-and-restore.md.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from privity_deploy import dumping
from privity_deploy.presence import Running, running_stack
from privity_postgres import for_driver

ROOT = Path(__file__).resolve().parents[3]
KEYS, JOURNAL, GATEWAY = "privity_keys", "privity_journal", "privity_gateway"
MANIFEST = "manifest.json"


class NotRunning(Exception):
    """There is no shop to back up."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Three places that do not lie on one disk: whoever has the backups has no keys, and whoever
    restores either meets the journal as it is now."""

    data: Path
    keys: Path
    journal: Path

    @classmethod
    def of(cls, home: Path) -> Folders:
        def chosen(variable: str, name: str) -> Path:
            return Path(os.environ.get(variable) or home / name)

        return cls(
            chosen("PRIVITY_BACKUPS", "backups"),
            chosen("PRIVITY_KEY_BACKUPS", "key-backups"),
            chosen("PRIVITY_JOURNAL_COPY", "journal-copy"),
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """`journal`: the last deletion that this backup knows of. Those after it are done again."""

    taken_at: str
    journal: int
    files: dict[str, str]


def backup(running: Running, folders: Folders, *, bin_dir: Path, now: datetime) -> Path:
    """The folder of the data's part."""
    name = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    # Before the first dump: a deletion in between is done again after a restore, and not missed.
    journal = asyncio.run(_latest(running))
    data, keys = folders.data / name, folders.keys / name
    for folder in (data, keys, folders.journal):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = {}
    for database, actual in running.databases.items():
        if database not in {KEYS, JOURNAL}:
            files[database] = _dump(running, actual, data / f"{database}.dump", bin_dir)
    manifest = Manifest(now.isoformat(), journal, files)
    (data / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2))
    _dump(running, running.databases[KEYS], keys / f"{KEYS}.dump", bin_dir)
    _dump(running, running.databases[JOURNAL], folders.journal / f"{JOURNAL}.dump", bin_dir)
    return data


def _dump(running: Running, database: str, file: Path, bin_dir: Path) -> str:
    dumping.dump(bin_dir, running.admin_url, database, file)
    return dumping.fingerprint(file)


async def _latest(running: Running) -> int:
    url = for_driver(running.admin_url, database=running.databases[JOURNAL])
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SELECT coalesce(max(number), 0) FROM journal"))
    finally:
        await connection.close()


def main() -> int:
    running = running_stack(ROOT / ".privity")
    if running is None:
        print("No shop is open; `make run` opens one.", file=sys.stderr)
        return 1
    folders = Folders.of(ROOT / ".privity")
    try:
        taken = backup(
            running, folders, bin_dir=dumping.tools(bin_dir_of(running)), now=datetime.now(UTC)
        )
    except (dumping.ToolFailed, OSError, asyncpg.PostgresError) as failure:
        print(f"Not backed up: {failure}", file=sys.stderr)
        return 1
    print(f"data      {taken}")
    print(f"keys      {folders.keys / taken.name}: short-lived, and never beside the data")
    print(f"journal   {folders.journal}: always the newest, and beside neither")
    return 0


def bin_dir_of(running: Running) -> Path | None:
    if running.postgres_data_dir is None:
        return None
    from privity_postgres import PostgresServer  # noqa: PLC0415  # not for another's server

    return PostgresServer(Path(running.postgres_data_dir).parent).bin_dir


if __name__ == "__main__":
    sys.exit(main())
