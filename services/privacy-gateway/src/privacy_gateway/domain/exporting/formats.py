"""The forms that records are exported in, a stretch at a time.

Whatever the form, the leaves themselves lie beside it: they are what proves.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import orjson

from privacy_gateway.domain.audit.tail import Entry
from privacy_gateway.domain.exporting import ocsf
from privity_transparency.manifest import record_line

Format = Literal["ndjson", "csv", "parquet", "ocsf"]

COLUMNS: Final = (
    "id",
    "at",
    "kind",
    "decision",
    "actor",
    "actor_kind",
    "role",
    "purpose",
    "policy",
    "service",
    "subject",
    "work",
    "resource",
    "scope",
    "recipient",
    "reason",
    "route",
    "request",
)
HEAD: Final = ("index", *COLUMNS, "clauses", "categories", "fields")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def lines(entries: Sequence[Entry]) -> bytes:
    return b"".join(
        record_line(
            index=entry.index,
            leaf=entry.content,
            process_id=entry.process_id,
            batch=entry.batch,
            position=entry.position,
        )
        for entry in entries
    )


def beside(form: Format, entries: Sequence[Entry], *, part: int) -> tuple[str, bytes] | None:
    """The path of the file and the next part of it; nothing where the leaves are all."""
    if form == "csv":
        return "records.csv", csv_rows(entries, head=part == 0)
    if form == "ocsf":
        events = (ocsf.event(entry.index, _members(entry)) for entry in entries)
        return "ocsf.ndjson", b"".join(orjson.dumps(event) + b"\n" for event in events)
    if form == "parquet" and entries:
        return f"records-{part + 1:05}.parquet", parquet(entries)
    return None


def csv_rows(entries: Sequence[Entry], *, head: bool) -> bytes:
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\r\n")  # RFC 4180
    if head:
        writer.writerow(HEAD)
    for entry in entries:
        row = _row(entry)
        row["clauses"], row["categories"] = " ".join(row["clauses"]), " ".join(row["categories"])
        writer.writerow([cell(row[name]) for name in HEAD])
    return written.getvalue().encode()


def cell(value: object) -> str:
    """A spreadsheet takes what begins with one of these for a formula, and runs it."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def parquet(entries: Sequence[Entry]) -> bytes:
    """A whole file: each stretch has its own, so that a killed export goes on with the next."""
    import pyarrow as pa  # noqa: PLC0415  # 40 MB that only exports and archives need
    import pyarrow.parquet as pq  # noqa: PLC0415

    text = pa.string()
    schema = pa.schema(
        [
            ("index", pa.int64()),
            *((name, pa.timestamp("us", tz="UTC") if name == "at" else text) for name in COLUMNS),
            ("clauses", pa.list_(text)),
            ("categories", pa.list_(text)),
            ("fields", text),
            ("process_id", text),
            ("batch", pa.int64()),
            ("position", pa.int32()),
            ("leaf", text),
        ]
    )
    rows = [
        _row(entry)
        | {
            "at": datetime.fromisoformat(_members(entry)["at"]),
            "process_id": entry.process_id,
            "batch": entry.batch,
            "position": entry.position,
            "leaf": entry.content.decode(),
        }
        for entry in entries
    ]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink, compression="zstd")
    return bytes(sink.getvalue())


def _row(entry: Entry) -> dict[str, Any]:
    leaf = _members(entry)
    fields = leaf["fields"]
    return {
        "index": entry.index,
        **{name: leaf.get(name) for name in COLUMNS},
        "clauses": leaf["clauses"],
        "categories": sorted({category for each in fields.values() for category in each}),
        "fields": orjson.dumps(fields, option=orjson.OPT_SORT_KEYS).decode(),
    }


def _members(entry: Entry) -> Mapping[str, Any]:
    """Of the leaf, whatever its columns say: an export holds what was signed."""
    found: Mapping[str, Any] = orjson.loads(entry.content)
    return found
