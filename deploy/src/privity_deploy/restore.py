"""`make restore BACKUP=folder`: yesterday's data, and everything deleted since deleted again.

Only the data is put back. Keys are put back when they were lost (KEYS=folder), and the journal of
deletions when it was (JOURNAL=file) and is empty. The gateway compares all of it with the journal
at its next start, before it serves anybody.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

import asyncpg

from privity_deploy import dumping
from privity_deploy.backup import GATEWAY, JOURNAL, KEYS, MANIFEST, Manifest
from privity_deploy.presence import AlreadyRunning
from privity_deploy.stack import Stack
from privity_postgres import bootstrap, for_driver

ROOT = Path(__file__).resolve().parents[3]
AUDIT = "privity_audit"


class Refused(Exception):
    """Nothing was changed."""


def restore(
    stack: Stack,
    data: Path,
    *,
    keys: Path | None = None,
    journal: Path | None = None,
    audit: bool = False,
) -> list[str]:
    """The databases that were put back. The shop is closed meanwhile. Raises Refused."""
    found = manifest(data)
    with stack.closed():
        return asyncio.run(_restore(stack, found, data, keys, journal, audit=audit))


async def _restore(
    stack: Stack,
    manifest: Manifest,
    data: Path,
    keys: Path | None,
    journal: Path | None,
    *,
    audit: bool,
) -> list[str]:
    if journal is not None:
        if await _latest(stack):
            raise Refused("the journal is not empty: it knows more than any copy of it")
        await _put_back(stack, JOURNAL, journal)
    if await _latest(stack) < manifest.journal:
        raise Refused("the journal of deletions is older than the backup: bring its newest copy")
    put_back = [name for name in manifest.files if name != AUDIT or audit]
    for name in put_back:
        await _put_back(stack, name, data / f"{name}.dump")
    if keys is not None:
        await _put_back(stack, KEYS, keys / f"{KEYS}.dump")
        put_back.append(KEYS)
    for name in (GATEWAY, KEYS):
        await _look_from(stack, name, manifest.journal)
    return put_back


def manifest(data: Path) -> Manifest:
    try:
        manifest = Manifest(**json.loads((data / MANIFEST).read_text()))
    except (OSError, ValueError, TypeError):
        raise Refused(f"{data} holds no backup") from None
    for name, expected in manifest.files.items():
        if dumping.fingerprint(data / f"{name}.dump") != expected:
            raise Refused(f"{name}.dump is not the file that was written")
    return manifest


async def _put_back(stack: Stack, name: str, file: Path) -> None:
    places, entry = stack.places, stack.places.databases[name]
    connection = await asyncpg.connect(for_driver(places.admin_url))
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {entry.name} WITH (FORCE)")
    finally:
        await connection.close()
    await bootstrap(places.admin_url, [entry], passwords=places.passwords())
    own = stack.postgres.bin_dir if stack.owns_postgres else None
    dumping.restore(dumping.tools(own), places.admin_url, entry, file)


async def _latest(stack: Stack) -> int:
    try:
        return await _number(stack, JOURNAL, "SELECT max(number) FROM journal")
    except asyncpg.UndefinedTableError:
        return 0


async def _look_from(stack: Stack, name: str, number: int) -> None:
    """What was deleted after this is looked at anew, whatever the database itself remembers."""
    statement = f"UPDATE journal_replay SET through = least(through, {number:d})"  # noqa: S608
    await _number(stack, name, statement)


async def _number(stack: Stack, name: str, statement: str) -> int:
    """What a query gives; nothing is zero."""
    places = stack.places
    url = for_driver(places.admin_url, database=places.databases[name].name)
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(statement) or 0)
    finally:
        await connection.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="a folder that `make backup` wrote")
    parser.add_argument("--keys", type=Path, help="only when the keys were lost")
    parser.add_argument("--journal", type=Path, help="only when the journal was lost")
    parser.add_argument("--audit", action="store_true", help="only when the records were lost")
    asked = parser.parse_args()
    try:
        put_back = restore(
            Stack(ROOT), asked.data, keys=asked.keys, journal=asked.journal, audit=asked.audit
        )
    except (Refused, dumping.ToolFailed, AlreadyRunning) as failure:
        print(failure, file=sys.stderr)
        return 1
    print(f"put back: {', '.join(put_back)}")
    print("What was deleted since is deleted again at the next `make run`, before it serves.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
