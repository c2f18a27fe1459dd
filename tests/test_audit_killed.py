"""Gateway, sequencer, signer and database killed under customers who read their own data.

Whatever was given out is on record, whatever was acknowledged is in the log, the log still
verifies, and the shop opens again by itself.
"""

import asyncio
import os
import random
import statistics
import threading
import time
from collections.abc import Callable

import asyncpg
import httpx

from audit_log.domain.keys import log_key
from privity_deploy.stack import Stack
from privity_postgres import for_driver
from privity_transparency import merkle
from privity_transparency.checkpoint import open_checkpoint

from .people import Someone, Town

KILLS = int(os.environ.get("PRIVITY_AUDIT_KILLS", "3"))  # `make torture` kills 100 times
READY_SECONDS = 5
ENOUGH_TO_JUDGE = 20
"""Kills of one process: from then on a median says something, also on a machine that is busy."""
VICTIMS = ("privacy-gateway", "audit-sequencer", "audit-signer", "postgres")
READERS = 4
ORIGIN = "shop.example/audit"
_IN_LOG = """
SELECT r.id, r.leaf FROM log_batches l
JOIN records r ON r.process_id = l.process_id AND r.batch = l.number
ORDER BY l.first_index + r.position
"""


class Readers:
    """Customers who read their own account as fast as they get answers."""

    def __init__(self, customers) -> None:
        self._customers = customers
        self._stopping = threading.Event()
        self.receipts: set[str] = set()
        self.unrecorded = 0
        """Answers that held a person's name and named no record."""

    def __enter__(self):
        self._threads = [threading.Thread(target=self._read, args=[c]) for c in self._customers]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _read(self, customer) -> None:
        reader = Someone(customer.who.url, customer.who.headers)
        while not self._stopping.is_set():
            try:
                answer = reader.ask("GET", "/v1/profile")
            except httpx.TransportError:
                time.sleep(0.02)
                continue
            if customer.name.encode() in answer.body:
                record = answer.json.get("privacy", {}).get("record")
                self.unrecorded += record is None
                self.receipts.add(record)
            elif answer.status != 200:
                time.sleep(0.02)


def told(took: list[float]) -> str:
    """Until the shop was ready again, over all kills of one process."""
    took = sorted(took)
    late = took[int(len(took) * 0.95)]
    return (
        f"killed {len(took)} times, ready again after {statistics.median(took):.1f} s in the"
        f" median, {late:.1f} s at p95, {took[-1]:.1f} s at most;"
        f" {sum(t > READY_SECONDS for t in took)} times after more than {READY_SECONDS} s"
    )


def is_ready(visitor: Someone) -> bool:
    try:
        return visitor.ask("GET", "/readyz").status == 200
    except httpx.TransportError:
        return False


def in_the_log(stack: Stack, wanted: set[str], *, seconds: float = 60) -> dict[str, bytes]:
    """By record, once the newest cosigned checkpoint holds what is wanted, and verifies."""
    folder = stack.secrets.folder / "audit-log"
    key = log_key(str(folder / "signer.pub"), origin=ORIGIN)

    async def ask() -> dict[str, bytes]:
        owner = await asyncpg.connect(for_driver(stack.places.owner_url("privity_audit")))
        try:
            note = await owner.fetchval("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1")
            rows = await owner.fetch(_IN_LOG)
        finally:
            await owner.close()
        checkpoint = open_checkpoint(note, log_key=key).checkpoint
        rows = rows[: checkpoint.size]
        hashes = (merkle.leaf_hash(row["leaf"]) for row in rows)
        assert checkpoint.root == merkle.root_of(hashes)
        return {row["id"]: row["leaf"] for row in rows}

    end = time.monotonic() + seconds
    while True:
        found = asyncio.run(ask())
        if wanted <= found.keys() or time.monotonic() > end:
            return found
        time.sleep(0.5)


def test_killed_anywhere_everything_given_out_is_on_record_and_in_the_log(
    stack: Stack, town: Town, visitor: Someone, record_figures: Callable[[str], None]
) -> None:
    customers = [town.customer() for _ in range(READERS)]
    chance = random.Random(KILLS)
    victims = [v for v in VICTIMS if v != "postgres" or (KILLS > 3 and stack.owns_postgres)]
    back: dict[str, list[float]] = {victim: [] for victim in victims}
    busy: list[float] = []
    with Readers(customers) as readers:
        for turn in range(KILLS):
            victim = victims[turn % len(victims)]
            time.sleep(chance.uniform(0.2, 0.8))
            stack.kill(victim)
            began = time.monotonic()
            stack.restart(victim)
            while not is_ready(visitor) and time.monotonic() - began < 60:
                time.sleep(0.05)
            back[victim].append(time.monotonic() - began)
            busy.append(os.getloadavg()[0])
            before, end = len(readers.receipts), time.monotonic() + 60
            while len(readers.receipts) < before + READERS and time.monotonic() < end:
                time.sleep(0.05)

    logged = in_the_log(stack, readers.receipts)
    record_figures(
        f"{KILLS} kills at a load of {statistics.mean(busy):.1f} on {os.cpu_count()} processors:"
        f" {len(readers.receipts)} answers with plaintext,"
        f" {len(readers.receipts - logged.keys())} of them not in the log,"
        f" {readers.unrecorded} unrecorded"
    )
    for victim, took in back.items():
        record_figures(f"{victim} {told(took)}")
    assert len(readers.receipts) >= KILLS * READERS
    assert readers.unrecorded == 0
    assert readers.receipts <= logged.keys()
    assert all(b'"reveal"' in logged[record] for record in readers.receipts)
    # The short form only tells. The long one is for a machine that has little else to do.
    for victim, took in back.items():
        if len(took) >= ENOUGH_TO_JUDGE:
            assert statistics.median(took) <= READY_SECONDS, f"{victim} {told(took)}"
