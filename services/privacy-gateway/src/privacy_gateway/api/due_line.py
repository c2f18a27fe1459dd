"""`privacy-gateway retention due`: what would go tonight and why, for who sits at the machine.

It reads the gateway's own database, named by GATEWAY_DATABASE_URL, and changes nothing. It names
scopes and no person.
"""

import argparse
import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from privacy_gateway.domain.policy.in_force import in_force, load_folder
from privacy_gateway.domain.retention.dueness import DueClass, due, overdue
from privity_database import Database

A_DAY = timedelta(days=1)


def add_to(parser: argparse.ArgumentParser, policies: Path) -> None:
    commands = parser.add_subparsers(required=True, metavar="command")
    preview = commands.add_parser("due", help="what goes within so many days, and why")
    preview.add_argument("--days", type=int, default=1)
    preview.add_argument("--policy", type=Path, default=policies)
    preview.set_defaults(answer=_due)


def _due(asked: argparse.Namespace) -> int:
    """Exits 1 when something should have gone already."""
    url = os.environ.get("GATEWAY_DATABASE_URL")
    if url is None:
        sys.stderr.write("GATEWAY_DATABASE_URL is not set\n")
        return 2
    found, late = asyncio.run(_look(url, asked.policy, asked.days))
    for each in found:
        mark = "held" if each.held else f"{each.due_at:%Y-%m-%d %H:%M}"
        line = f"{mark:<17} {each.scope:<36} {each.retention_class:<12} {each.rule.says}"
        sys.stdout.write(f"{line}; {each.rule.ground}\n")
    sys.stdout.write(f"{len(found)} due, {late} overdue\n")
    return 1 if late else 0


async def _look(url: str, policies: Path, days: int) -> tuple[list[DueClass], int]:
    now = datetime.now(UTC)
    file = in_force(load_folder(policies), now=now)
    database = Database(url, pool_size=1, application_name="privity-due")
    try:
        async with database.transaction() as tx:
            found = await due(tx, file, until=now + days * A_DAY)
            return found, await overdue(tx, file, now=now, grace=A_DAY.total_seconds())
    finally:
        await database.dispose()
