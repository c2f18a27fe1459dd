"""`privacy-gateway audit close-month …`: for the owner of the store, by hand or from a timer."""

import argparse
import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from privacy_gateway.domain.archiving.closing import NotClosed, close_month
from privity_transparency.encoding import Malformed
from privity_transparency.note import NotSigned, VerifierKey

URL_VARIABLE: Final = "GATEWAY_AUDIT_MIGRATION_DATABASE_URL"


def add_to(commands: Any) -> None:
    audit = commands.add_parser("audit", help="look after the record of accesses")
    what = audit.add_subparsers(required=True, metavar="command")
    close = what.add_parser(
        "close-month", help="archive a month to files that prove themselves, and detach it"
    )
    close.add_argument("month", metavar="YYYY-MM")
    close.add_argument("--to", type=Path, required=True, help="the folder of the archives")
    close.add_argument("--log-key", required=True, help="the log's verifier key, name+hash+key")
    close.set_defaults(answer=_close)


def _close(asked: argparse.Namespace) -> int:
    """The owner's URL comes from the environment: arguments are seen by everybody."""
    url = os.environ.get(URL_VARIABLE)
    if not url:
        return _failed(f"set {URL_VARIABLE} to the owner's URL of the audit store")
    try:
        key = VerifierKey.parse(asked.log_key)
        now = datetime.now(UTC)
        closed = asyncio.run(close_month(url, asked.month, asked.to, log_key=key, now=now))
    except (NotClosed, NotSigned, Malformed) as exc:
        return _failed(str(exc))
    except asyncpg.PostgresError as exc:
        # The driver's words may repeat values.
        return _failed(f"the store refused: {type(exc).__name__}")
    sys.stdout.write(
        f"{closed.month}: {closed.records} records in {closed.folder}\nmanifest {closed.manifest}\n"
    )
    return 0


def _failed(said: str) -> int:
    sys.stderr.write(f"{said}\n")
    return 1
