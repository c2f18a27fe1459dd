"""`make run`: opens the shop, keeps it open until Ctrl-C, keeps its data for the next time."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from privity_deploy.client import Person, sign_in
from privity_deploy.ports import PortRefused
from privity_deploy.presence import AlreadyRunning, Running
from privity_deploy.seed import SAMPLE, SAMPLE_PASSWORD, SITE, seed
from privity_deploy.stack import Stack
from privity_deploy.startup import Interrupted, Report, StartFailed, told_of_the_disk
from privity_deploy.tables import TableRefused
from privity_deploy.watch import GaveUp, watch
from privity_postgres import (
    BinariesMissing,
    NoAccount,
    ServerFailed,
    ServerTooOld,
    ServerUnusable,
    UnusablePlace,
    UnusableUrl,
)

ROOT = Path(__file__).resolve().parents[3]

# What the person at the keyboard can do something about; everything else is a bug and shows itself.
EXPECTED = (
    AlreadyRunning,
    BinariesMissing,
    GaveUp,
    NoAccount,
    PortRefused,
    ServerFailed,
    ServerTooOld,
    ServerUnusable,
    StartFailed,
    TableRefused,
    UnusablePlace,
    UnusableUrl,
)


def main(root: Path = ROOT, *, fill: Callable[..., object] | None = None) -> int:
    """`fill` puts something into the shop once it is open to be looked at."""
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    print("Opening the shop ...", flush=True)
    try:
        stack = Stack(root, report=_show, stopping=stopping)
        with told_of_the_disk(root), stack:
            if fill is not None:
                fill(stack.running, report=_show)
            _show_addresses(stack)
            watch(stack, stopping=stopping, report=_show)
            print("\nClosing the shop ...", flush=True)
    except Interrupted:
        print("\nStopped before everything had started.", flush=True)
    except EXPECTED as failure:
        if stopping.is_set():  # what a Ctrl-C cuts short says so in many ways
            print("\nStopped before everything had started.", flush=True)
            return 0
        print(f"\n{failure}", file=sys.stderr, flush=True)
        return 1
    print("Closed. The data stays for the next time.", flush=True)
    return 0


def _sample_shop(running: Running, *, report: Report) -> None:
    shop = seed(running, report=report)
    passwords = Path(running.secrets_dir) / "gateway" / "staff"
    staff = ", ".join(sorted(path.name for path in passwords.iterdir()))
    report(f"{'customer':<20} {SAMPLE['email']}, password {SAMPLE_PASSWORD}")
    report(f"{'staff':<20} {staff}; their passwords are in {passwords}")
    customer = sign_in(shop.url, email=SAMPLE["email"], password=SAMPLE_PASSWORD)
    warehouse = shop.grant("warehouse", "warehousing")
    report(f"tokens, good for ten minutes, for Authorization: Bearer ...\n{_token(customer)}")
    report(f"the warehouse's, to pack at {SITE}:\n{_token(warehouse)}")
    report(f'try: curl -H "Authorization: Bearer $TOKEN" {shop.url}/v1/profile')


def _token(person: Person) -> str:
    return person.token or ""


def _show(line: str) -> None:
    print("\n".join(f"  {part}" for part in line.splitlines()), flush=True)


def _show_addresses(stack: Stack) -> None:
    print("\nThe shop is open.")
    for name, number in sorted(
        (f"{process} ({port})" if port != "http" else process, number)
        for (process, port), number in stack.places.ports.items()
    ):
        print(f"  {name:<20} {'127.0.0.1' if '(' in name else 'http://127.0.0.1'}:{number}")
    print(f"  {'logs':<20} {stack.logs_dir}")
    print("Ctrl-C closes it.", flush=True)


if __name__ == "__main__":
    sys.exit(main(fill=_sample_shop))
