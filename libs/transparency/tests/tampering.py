"""What somebody with the table owner's password can do to a log, and what must be said of it."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson

from privity_contracts import ids
from privity_transparency.verifier.findings import Fault

from .made_log import TABLES, MadeLog, a_record

Said = set[tuple[Fault, int | None]]
"""Faults with the index in the log; forged records have none, and are named by their ids."""
Attack = Callable[["Victim", Sequence[int]], Awaitable[Said]]
BY_PLACE = "process_id = $1 AND batch = $2 AND position = $3"


@dataclass
class Victim:
    connection: asyncpg.Connection
    made: MadeLog
    chance: random.Random

    def row(self, index: int) -> dict[str, Any]:
        return dict(zip(TABLES["records"].split(), self.made.rows["records"][index], strict=True))

    def place(self, index: int) -> tuple[str, int, int]:
        row = self.row(index)
        return row["process_id"], row["batch"], row["position"]

    async def set(self, index: int, **columns: Any) -> None:
        sets = ", ".join(f"{name} = ${number}" for number, name in enumerate(columns, 4))
        done = await self.connection.execute(
            f"UPDATE records SET {sets} WHERE {BY_PLACE}",  # noqa: S608  # names of columns
            *self.place(index),
            *columns.values(),
        )
        assert done == "UPDATE 1"

    async def insert(self, row: dict[str, Any]) -> None:
        await self.connection.copy_records_to_table(
            "records", records=[tuple(row.values())], columns=list(row)
        )


def changed(leaf: bytes, **members: Any) -> bytes:
    return orjson.dumps(orjson.loads(leaf) | members, option=orjson.OPT_SORT_KEYS)


async def edit(victim: Victim, positions: Sequence[int]) -> Said:
    """Another purpose, in the leaf and in the column, so that they agree."""
    for index in positions:
        row = victim.row(index)
        other = "catalogue" if index % 2 else "audit_review"
        await victim.set(index, leaf=changed(row["leaf"], purpose=other), purpose=other)
    return {(Fault.ALTERED, index) for index in positions}


async def edit_one_bit(victim: Victim, positions: Sequence[int]) -> Said:
    """Of a letter, so that the leaf stays text."""
    for index in positions:
        leaf = bytearray(victim.row(index)["leaf"])
        leaf[leaf.index(b"2026-11-22") + 9] ^= 1
        await victim.set(index, leaf=bytes(leaf))
    return {(Fault.ALTERED, index) for index in positions}


async def write_otherwise(victim: Victim, positions: Sequence[int]) -> Said:
    """The same members with a space: what a careless copy does."""
    for index in positions:
        await victim.set(index, leaf=victim.row(index)["leaf"].replace(b",", b", ", 1))
    return {(Fault.ALTERED, index) for index in positions}


async def delete(victim: Victim, positions: Sequence[int]) -> Said:
    for index in positions:
        await victim.connection.execute(
            "DELETE FROM records WHERE process_id = $1 AND batch = $2 AND position = $3",
            *victim.place(index),
        )
    return {(Fault.REMOVED, index) for index in positions}


async def swap(victim: Victim, positions: Sequence[int]) -> Said:
    """Two and two exchange their places."""
    pairs = list(zip(positions[::2], positions[1::2], strict=False))
    for one, other in pairs:
        for index, place in ((one, victim.place(other)), (other, victim.place(one))):
            names = zip(("process_id", "batch", "position"), place, strict=True)
            sets = dict(names)
            await victim.connection.execute(
                "UPDATE records SET process_id = $3, batch = $4, position = $5 "
                "WHERE id = $1 AND recorded_at = $2",
                victim.row(index)["id"],
                victim.row(index)["recorded_at"],
                *sets.values(),
            )
    return {(Fault.REORDERED, index) for pair in pairs for index in pair}


async def move(victim: Victim, positions: Sequence[int]) -> Said:
    """To the end of another batch."""
    for index in positions:
        _, process_id, number, records = victim.chance.choice(victim.made.rows["log_batches"])
        await victim.set(index, process_id=process_id, batch=number, position=records + index)
    return {(Fault.REORDERED, index) for index in positions}


async def duplicate(victim: Victim, positions: Sequence[int]) -> Said:
    """The same record once more, a microsecond later, as the primary key asks."""
    for index in positions:
        row = victim.row(index)
        later = row["recorded_at"].replace(microsecond=999_999 - index % 1000)
        await victim.insert(row | {"recorded_at": later})
    return {(Fault.DUPLICATED, index) for index in positions}


async def replace_by_a_copy(victim: Victim, positions: Sequence[int]) -> Said:
    """What somebody did becomes what somebody else did."""
    touched, records = set(positions), len(victim.made.rows["records"])
    for index in positions:
        after = ((index + step) % records for step in range(records))
        other = victim.row(next(each for each in after if each not in touched))
        columns = {k: v for k, v in other.items() if k not in {"process_id", "batch", "position"}}
        later = columns["recorded_at"].replace(microsecond=999_999 - index % 1000)
        await victim.set(index, **columns | {"recorded_at": later})
    return {(Fault.DUPLICATED, index) for index in positions}


def forged(victim: Victim, index: int) -> dict[str, Any]:
    columns = a_record(index, victim.chance)
    return dict(zip(list(victim.row(index))[:10], columns, strict=True))


async def insert_beside(victim: Victim, positions: Sequence[int]) -> Said:
    """A forged record, where a record of the log is, or after the end of its batch."""
    for index in positions:
        process_id, batch, position = victim.place(index)
        place = {"process_id": process_id, "batch": batch, "position": position + index % 2 * 100}
        await victim.insert(forged(victim, index) | place)
    return {(Fault.INSERTED, None)}


async def insert_elsewhere(victim: Victim, positions: Sequence[int]) -> Said:
    """A forged record in a batch that nobody wrote, or in none."""
    for index in positions:
        place: dict[str, Any] = {"process_id": None, "batch": None, "position": None}
        if index % 2:
            place = {"process_id": ids.mint("prc"), "batch": 0, "position": 0}
        await victim.insert(forged(victim, index) | place)
    return {(Fault.INSERTED, None)}


def column(name: str) -> Attack:
    async def edit_column(victim: Victim, positions: Sequence[int]) -> Said:
        for index in positions:
            row = victim.row(index)
            others: dict[str, Any] = {
                "id": ids.mint("rec"),
                "recorded_at": row["recorded_at"].replace(microsecond=7),
                "subject_tag": None if index % 2 else "t1:somebody",
                "categories": [*row["categories"], "user.payment"][index % 2 :],
                "decision": "allow" if row["decision"] == "refuse" else "refuse",
            }
            await victim.set(index, **{name: others.get(name, "another")})
        return {(Fault.COLUMN, index) for index in positions}

    edit_column.__name__ = f"column_{name}"
    return edit_column


COLUMNS = [
    name
    for name in TABLES["records"].split()
    if name not in {"leaf", "process_id", "batch", "position"}
]


async def edit_any_column(victim: Victim, positions: Sequence[int]) -> Said:
    """One after the other through all columns."""
    said: Said = set()
    for place, index in enumerate(positions):
        said |= await column(COLUMNS[place % len(COLUMNS)])(victim, [index])
    return said


ATTACKS: tuple[Attack, ...] = (
    edit,
    edit_one_bit,
    write_otherwise,
    delete,
    swap,
    move,
    duplicate,
    replace_by_a_copy,
    insert_beside,
    insert_elsewhere,
    edit_any_column,
)
COLUMN_ATTACKS = tuple(map(column, COLUMNS))
"""Each column by itself, for the long form."""
