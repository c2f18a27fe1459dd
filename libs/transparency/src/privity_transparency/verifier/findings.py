"""What was found wrong, where exactly, and what was looked at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

_KEPT = 10_000
"""Of each report; the rest are counted only."""


class Fault(StrEnum):
    ALTERED = "altered"
    REMOVED = "removed"
    INSERTED = "inserted"
    REORDERED = "reordered"
    DUPLICATED = "duplicated"
    COLUMN = "index column altered"
    NOT_CANONICAL = "not canonical"
    BATCH = "batch"
    PROCESS = "process"
    ORDER = "order of batches"
    TILE = "tile"
    CHECKPOINT = "checkpoint"
    SHORTER = "shorter history"
    FORK = "other history"
    FILE = "file"


@dataclass(frozen=True)
class Finding:
    """`index`: in the log. `record_id`: as the row says, nothing where the row is gone."""

    fault: Fault
    what: str
    index: int | None = None
    record_id: str | None = None

    def __str__(self) -> str:
        where = "" if self.index is None else f" record {self.index}"
        named = "" if self.record_id is None else f" ({self.record_id})"
        return f"{self.fault.upper()}{where}{named}: {self.what}"


@dataclass
class Report:
    findings: list[Finding] = field(default_factory=list)
    faults: Counter[Fault] = field(default_factory=Counter)
    records: int = 0
    batches: int = 0
    processes: int = 0
    checkpoints: int = 0
    pending: int = 0
    """Records in batches that are signed and chained, and not in the log yet."""
    unlogged: int = 0
    """Records that are older than the log; nothing proves them."""
    selected: bool = False
    """The records are what was asked for; that none was left out is not proved."""
    beside: int = 0
    """Files for reading, which the manifest binds and nothing proves."""

    def add(
        self, fault: Fault, what: str, *, index: int | None = None, record_id: str | None = None
    ) -> None:
        self.faults[fault] += 1
        if len(self.findings) < _KEPT:
            self.findings.append(Finding(fault, what, index, record_id))

    @property
    def clean(self) -> bool:
        return not self.faults
