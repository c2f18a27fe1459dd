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
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import asyncpg

from privity_deploy import dumping
from privity_deploy.backup import GATEWAY, JOURNAL, KEYS, MANIFEST, Manifest
from privity_deploy.places import marked
from privity_deploy.run import EXPECTED
from privity_deploy.stack import Stack
from privity_postgres import bootstrap, for_driver

ROOT = Path(__file__).resolve().parents[3]
AUDIT = "privity_audit"
HAS_KEYS = "SELECT count(*) FROM pg_class WHERE relname = 'data_keys'"


class Refused(Exception):
    """Nothing was changed."""


def restore(
    stack: Stack,
    data: Path,
    *,
    keys: Path | None = None,
    journal: Path | None = None,
    audit: bool = False,
    only: Collection[str] = (),
) -> list[str]:
    """The databases that were put back: of the data all, or `only` those. The shop is closed
    meanwhile. Raises Refused."""
    found = manifest(data)
    if unknown := set(only) - set(found.files):
        raise Refused(f"not in this backup: {', '.join(sorted(unknown))}")
    names = only or [name for name in found.files if name != AUDIT or audit]
    wanted = {name: data / f"{name}.dump" for name in names}
    if keys is not None:
        wanted[KEYS] = keys / f"{KEYS}.dump"
    for file in (*wanted.values(), *([journal] if journal else ())):
        if not file.is_file():
            raise Refused(f"{file} is not there")
    with stack.closed():
        return asyncio.run(_restore(stack, found, wanted, journal))


async def _restore(
    stack: Stack, manifest: Manifest, wanted: dict[str, Path], journal: Path | None
) -> list[str]:
    if KEYS not in wanted and not await _number(stack, KEYS, HAS_KEYS):
        raise Refused("there are no keys to open the data with: bring them (KEYS=folder)")
    if journal is not None:
        if await _latest(stack):
            raise Refused("the journal is not empty: it knows more than any copy of it")
        await _put_back(stack, JOURNAL, journal)
    if await _latest(stack) < manifest.journal:
        raise Refused("the journal of deletions is older than the backup: bring its newest copy")
    for name, file in wanted.items():
        await _put_back(stack, name, file)
    for name in (GATEWAY, KEYS):
        await _look_from(stack, name, manifest.journal)
    return list(wanted)


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
    """Beside what is there, which goes when all of it has come: keys that cannot be put back are
    no reason to lose those that were left."""
    places, entry = stack.places, stack.places.databases[name]
    beside = replace(entry, name=marked(entry.name, "put_back"))
    tools = dumping.tools(stack.postgres.bin_dir if stack.owns_postgres else None)
    await _execute(stack, f"DROP DATABASE IF EXISTS {beside.name} WITH (FORCE)")
    await bootstrap(places.admin_url, [beside], passwords=places.passwords())
    try:
        dumping.restore(tools, places.admin_url, beside, file)
    except dumping.ToolFailed:
        await _execute(stack, f"DROP DATABASE {beside.name} WITH (FORCE)")
        raise
    await _execute(
        stack,
        f"DROP DATABASE IF EXISTS {entry.name} WITH (FORCE)",
        f"ALTER DATABASE {beside.name} RENAME TO {entry.name}",
    )


async def _execute(stack: Stack, *statements: str) -> None:
    connection = await asyncpg.connect(for_driver(stack.places.admin_url))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


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
    parser.add_argument(
        "--only", action="append", default=[], metavar="DATABASE", help="this one, and not all"
    )
    asked = parser.parse_args()
    try:
        put_back = restore(
            Stack(ROOT),
            asked.data,
            keys=asked.keys,
            journal=asked.journal,
            audit=asked.audit,
            only=asked.only,
        )
    except (Refused, dumping.ToolFailed, *EXPECTED) as failure:
        print(failure, file=sys.stderr)
        return 1
    print(f"put back: {', '.join(put_back)}")
    print("What was deleted since is deleted again at the next `make run`, before it serves.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
