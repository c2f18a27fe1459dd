"""A whole audit log made for a test: records of several processes, signed batches, tiles, heads.

Made from the formats alone, so that what the verifier is tried against was not made by the code
that it is meant to check in earnest.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from privity_contracts import ids
from privity_transparency import merkle
from privity_transparency.batch import FIRST_PREVIOUS, Batch, Process, leaves_hash
from privity_transparency.checkpoint import Checkpoint
from privity_transparency.note import COSIGNATURE, ED25519, Note, NoteSigner
from privity_transparency.tiles import Growth, TileId

ORIGIN = "shop.example/audit"
BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
PURPOSES = ("delivery", "enquiries", "self_service", "warehousing")
TABLES = {
    "records": "id recorded_at leaf kind decision purpose role subject_tag actor_tag categories "
    "process_id batch position",
    "processes": "process_id public_key certificate started_at",
    "batches": "process_id number previous records leaves signature written_at",
    "log_batches": "first_index process_id number records",
    "tiles": "level number hashes",
    "checkpoints": "size root note cosigned written_at",
}


@dataclass
class MadeLog:
    """Rows by table, and the keys that somebody outside would have."""

    rows: dict[str, list[tuple[Any, ...]]]
    log: NoteSigner
    witness: NoteSigner
    identity: bytes
    heads: list[str] = field(default_factory=list)

    async def load(self, connection: asyncpg.Connection) -> None:
        for table, columns in TABLES.items():
            await connection.copy_records_to_table(
                table, records=self.rows[table], columns=columns.split()
            )


def a_record(number: int, chance: random.Random) -> tuple[Any, ...]:
    at = BEGAN + timedelta(milliseconds=37 * number)
    record_id = ids.mint("rec", clock=at.timestamp, entropy=chance.randbytes)
    decision = "refuse" if chance.random() < 0.05 else "allow"
    categories = chance.sample(["user.contact.email", "user.contact.phone_number", "user.name"], 2)
    members = {
        "v": 1,
        "id": record_id,
        "at": at.isoformat(timespec="microseconds")[:26] + "Z",
        "kind": "read",
        "decision": decision,
        "actor": f"t1:{chance.randbytes(12).hex()}",
        "actor_kind": "staff",
        "role": "support",
        "purpose": chance.choice(PURPOSES),
        "clauses": ["C2.3", "C3.2"],
        "policy": "2026-11-22",
        "policy_hash": "0123456789abcdef",
        "service": "customers",
        "fields": {
            "reveal": {categories[0]: ["email", "name"]},
            "withhold": {categories[1]: ["phone"]},
        },
        "subject": f"t1:{chance.randbytes(12).hex()}",
        "work": f"case/t1:{chance.randbytes(12).hex()}",
        "request": ids.mint("req", clock=at.timestamp, entropy=chance.randbytes),
    }
    return (
        record_id,
        at,
        orjson.dumps(members, option=orjson.OPT_SORT_KEYS),
        "read",
        decision,
        members["purpose"],
        "support",
        members["subject"],
        members["actor"],
        sorted(categories),
    )


def make_log(
    records: int, *, processes: int = 3, largest_batch: int = 60, heads: int = 5, seed: int = 4
) -> MadeLog:
    chance = random.Random(seed)
    identity = Ed25519PrivateKey.generate()
    made = MadeLog(
        {table: [] for table in TABLES},
        NoteSigner(ORIGIN, ED25519, Ed25519PrivateKey.generate()),
        NoteSigner("witness.example/w1", COSIGNATURE, Ed25519PrivateKey.generate()),
        identity.public_key().public_bytes_raw(),
    )
    keys, chains = [Ed25519PrivateKey.generate() for _ in range(processes)], []
    for key in keys:
        public = key.public_key().public_bytes_raw()
        process = Process(ids.mint("prc"), public, BEGAN)
        made.rows["processes"].append(
            (process.process, public, process.certify(identity), process.started_at)
        )
        chains.append((process.process, 0, FIRST_PREVIOUS))
    growth, tiles = Growth(), dict[TileId, bytes]()
    shown = {records * (number + 1) // heads for number in range(heads)}
    while growth.size < records:
        which = chance.randrange(processes)
        process_id, number, previous = chains[which]
        count = min(chance.randint(1, largest_batch), records - growth.size)
        rows = [a_record(growth.size + each, chance) for each in range(count)]
        hashes = [merkle.leaf_hash(row[2]) for row in rows]
        batch = Batch(process_id, number, previous, count, leaves_hash(hashes))
        chains[which] = (process_id, number + 1, batch.hash)
        made.rows["records"] += [
            (*row, process_id, number, position) for position, row in enumerate(rows)
        ]
        made.rows["batches"].append(
            (
                process_id,
                number,
                previous,
                count,
                batch.leaves,
                batch.sign(keys[which]),
                rows[-1][1],
            )
        )
        made.rows["log_batches"].append((growth.size, process_id, number, count))
        before = growth.size
        tiles |= growth.append(hashes)
        if any(before < size <= growth.size for size in shown):
            _show(made, growth)
    made.rows["tiles"] = [(*tile, content) for tile, content in tiles.items()]
    return made


def _show(made: MadeLog, growth: Growth) -> None:
    checkpoint = Checkpoint(ORIGIN, growth.size, growth.root())
    text = checkpoint.text
    note = Note(text, (made.log.sign(text), made.witness.sign(text, time=1_795_000_000)))
    made.heads.append(str(note))
    made.rows["checkpoints"].append(
        (checkpoint.size, checkpoint.root, str(note), True, BEGAN + timedelta(days=1))
    )
