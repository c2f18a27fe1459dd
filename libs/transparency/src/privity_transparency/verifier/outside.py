"""Rows that the log does not list: batches on their way into it, and what nobody signed."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import asyncpg

from privity_transparency.batch import Batch, leaves_hash
from privity_transparency.verifier.chains import Chains, signature_holds
from privity_transparency.verifier.examination import Examination, Row
from privity_transparency.verifier.findings import Fault, Report
from privity_transparency.verifier.rows import COLUMNS, checked

_UNLISTED = f"""
SELECT {COLUMNS}
FROM records r LEFT JOIN log_batches l ON l.process_id = r.process_id AND l.number = r.batch
WHERE l.number IS NULL ORDER BY r.process_id, r.batch, r.position
"""  # noqa: S608  # our own names of columns
_PENDING = """
SELECT b.process_id, b.number, b.previous, b.records, b.leaves, b.signature
FROM batches b LEFT JOIN log_batches l ON l.process_id = b.process_id AND l.number = b.number
WHERE l.number IS NULL ORDER BY b.process_id, b.number
"""


async def examine_outside(
    connection: asyncpg.Connection,
    *,
    report: Report,
    chains: Chains,
    examination: Examination,
    accept_unlogged: bool,
) -> None:
    pending = {
        (each["process_id"], each["number"]): each for each in await connection.fetch(_PENDING)
    }
    unlisted = await connection.fetch(_UNLISTED)
    found: dict[tuple[str | None, int | None], list[Row]] = {}
    for key, records in groupby(unlisted, key=lambda record: (record[0], record[1])):
        found[key] = [checked(record) for record in records]
    for key, said in pending.items():
        _examine_pending(said, found.pop(key, []), report, chains, examination)
    older = found.pop((None, None), [])
    if accept_unlogged:
        report.unlogged = len(older)
        for row in older:
            for fault, what in row.problems:
                report.add(fault, what, record_id=row.record_id)
    else:
        examination.outside(older, "it is in no batch")
    for (process_id, number), rows in found.items():
        examination.outside(rows, f"it says batch {number} of {process_id}")


def _examine_pending(
    said: Any, rows: list[Row], report: Report, chains: Chains, examination: Examination
) -> None:
    named = f"batch {said['number']} of {said['process_id']}, not in the log yet"
    try:
        batch = Batch(
            process=said["process_id"],
            number=said["number"],
            previous=said["previous"],
            records=said["records"],
            leaves=said["leaves"],
        )
    except ValueError:
        report.add(Fault.BATCH, f"{named}: not a batch")
        return
    key = chains.key_of(batch.process)
    signed = key is not None and signature_holds(batch, said["signature"], key)
    if not chains.follow(batch, signed=signed):
        examination.outside(rows, named)
        return
    report.pending += batch.records
    positions = {row.position for row in rows}
    for position in set(range(batch.records)) - positions:
        report.add(Fault.REMOVED, f"position {position} of {named}")
    inside = [row for row in rows if row.position in range(batch.records)]
    examination.outside((row for row in rows if row.position not in range(batch.records)), named)
    report.records += len(inside)
    for row in inside:
        for fault, what in row.problems:
            report.add(fault, what, record_id=row.record_id)
    whole = len(inside) == batch.records and len(positions) == batch.records
    if whole and leaves_hash(row.hashed_leaf for row in inside) != batch.leaves:
        for row in inside:
            report.add(Fault.ALTERED, f"one of {named}", record_id=row.record_id)
    elif len(inside) > len(positions & set(range(batch.records))):
        report.add(Fault.DUPLICATED, f"two records have one position in {named}")
