"""Record by record against what is trusted, and at the end what the differences mean together.

Two records that changed places look like two altered ones until both have been seen; so
differences are collected first and named when everything has been read.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

from privity_transparency.encoding import HASH_BYTES
from privity_transparency.merkle import CompactRange
from privity_transparency.verifier.findings import Fault, Report
from privity_transparency.verifier.trusted import TrustedTiles


class Row(NamedTuple):
    """A record as it was found. `problems`: of the leaf and the columns beside it."""

    position: int | None
    record_id: str
    hashed_leaf: bytes
    problems: tuple[tuple[Fault, str], ...] = ()


class Neat(NamedTuple):
    """Rows with nothing to be said about them, one for each position, in order: most are."""

    hashes: bytes
    record_ids: list[str]

    def rows(self) -> list[Row]:
        return [
            Row(position, record_id, self.hashes[position * HASH_BYTES :][:HASH_BYTES])
            for position, record_id in enumerate(self.record_ids)
        ]


def neat(rows: list[Row]) -> Neat | list[Row]:
    """The same, shorter if it can be."""
    rows.sort(key=lambda row: -1 if row.position is None else row.position)
    if any(row.position != place or row.problems for place, row in enumerate(rows)):
        return rows
    return Neat(b"".join(row.hashed_leaf for row in rows), [row.record_id for row in rows])


class _Odd(NamedTuple):
    place: int | None
    record_id: str
    hashed_leaf: bytes
    where: str


class Examination:
    def __init__(self, trusted: TrustedTiles, report: Report, heads: dict[int, bytes]) -> None:
        """`heads`: by size, the roots that others were shown, checked on the way."""
        self._trusted = trusted
        self._report = report
        self._heads = heads
        self._tree: CompactRange | None = CompactRange()
        self._wrong: dict[int, _Odd] = {}
        self._extra: list[_Odd] = []
        self._missing: set[int] = set()

    def batch(
        self, first: int, records: int, leaves: bytes | None, found: Neat | list[Row]
    ) -> None:
        """Records [first, first + records) of the log, which one batch holds.

        `leaves`: what the batch commits to, if its signature holds.
        """
        expected = self._expected(first, records, leaves)
        if expected is None and isinstance(found, Neat):
            whole = len(found.record_ids) == records
            expected = found.hashes if whole and leaves == sha256(found.hashes).digest() else None
        if isinstance(found, Neat) and found.hashes == expected:
            self._report.records += records
            self._grow(first, expected)
            return
        rows = found.rows() if isinstance(found, Neat) else found
        self._report.records += len(rows)
        by_position: dict[int | None, list[Row]] = {}
        for row in rows:
            by_position.setdefault(row.position, []).append(row)
        hashes = _in_order(by_position, records)
        if expected is None and hashes is not None and leaves == sha256(hashes).digest():
            expected = hashes
        if expected is None:
            self._doubt(first, records, leaves, by_position)
        else:
            self._compare(first, expected, by_position)
        self._grow(first, expected)
        for position, strays in by_position.items():
            if position is None or not 0 <= position < records:
                where = f"at position {position} of a batch of {records}"
                self._extra += [_Odd(None, r.record_id, r.hashed_leaf, where) for r in strays]

    def outside(self, rows: Iterable[Row], where: str) -> None:
        """Rows that belong to nothing that was signed."""
        for row in rows:
            self._report.records += 1
            self._extra.append(_Odd(None, row.record_id, row.hashed_leaf, where))

    def absent(self, start: int, end: int) -> None:
        """Records of the log for which no batch is left at all."""
        self._missing.update(range(start, end))
        self._tree = None

    @property
    def in_doubt(self) -> bool:
        """Whether differences were found that need a name."""
        return bool(self._wrong or self._extra)

    def finish(self, hashes: Iterable[tuple[int, bytes]]) -> None:
        """`hashes`: the lowest level's tiles once more, by number; asked for only in doubt."""
        odd = [*self._wrong.values(), *self._extra]
        places = _places({each.hashed_leaf for each in odd}, hashes) if odd else {}
        for each in self._wrong.values():
            self._name_wrong(each, places.get(each.hashed_leaf))
        for each in self._extra:
            self._name_extra(each, places.get(each.hashed_leaf))
        for index in sorted(self._missing):
            self._report.add(Fault.REMOVED, "there is no such record any more", index=index)

    def _expected(self, first: int, records: int, leaves: bytes | None) -> bytes | None:
        end = first + records
        trusted = self._trusted.hashes(first, end)
        if trusted is not None:
            if leaves is not None and sha256(trusted).digest() != leaves:
                self._report.add(
                    Fault.ORDER,
                    f"the batch listed for records {first} to {end - 1} is another one",
                    index=first,
                )
            return trusted
        stored = self._trusted.stored_hashes(first, end)
        if stored is not None and leaves is not None and sha256(stored).digest() == leaves:
            return stored
        return None

    def _problems(self, index: int, row: Row) -> None:
        for fault, what in row.problems:
            self._report.add(fault, what, index=index, record_id=row.record_id)

    def _compare(
        self, first: int, expected: bytes, by_position: dict[int | None, list[Row]]
    ) -> None:
        for position in range(len(expected) // HASH_BYTES):
            index = first + position
            wanted = expected[position * HASH_BYTES : (position + 1) * HASH_BYTES]
            rows = by_position.get(position, [])
            # Of two that are alike, the one whose columns fit is the record.
            right = [row for row in rows if row.hashed_leaf == wanted]
            right.sort(key=lambda row: len(row.problems))
            others = [row for row in rows if row.hashed_leaf != wanted]
            for row in right[:1]:
                self._problems(index, row)
            if not right and others:
                row = others.pop(0)
                self._wrong[index] = _Odd(index, row.record_id, row.hashed_leaf, "")
            elif not right:
                self._missing.add(index)
            where = f"beside record {index}"
            self._extra += [
                _Odd(None, row.record_id, row.hashed_leaf, where) for row in (*right[1:], *others)
            ]

    def _doubt(
        self,
        first: int,
        records: int,
        leaves: bytes | None,
        by_position: dict[int | None, list[Row]],
    ) -> None:
        """Neither the tiles nor the rows are what was signed: what differs between them."""
        stored = self._trusted.stored_hashes(first, first + records)
        before = len(self._wrong) + len(self._missing)
        if stored is not None:
            self._compare(first, stored, by_position)
        if stored is None or len(self._wrong) + len(self._missing) == before:
            last = first + records - 1
            self._report.add(
                Fault.ALTERED,
                f"among the records {first} to {last} of this batch, together with the tile",
                index=first,
            )

    def _grow(self, first: int, expected: bytes | None) -> None:
        """Past a place where nothing is certain, no root can be worked out any more; nor past one
        that a batch is listed for twice, or none."""
        if not self._heads or self._tree is None:
            return
        if expected is None or first != self._tree.size:
            self._tree = None
            return
        tree = self._tree
        for at in range(0, len(expected), HASH_BYTES):
            tree.append(expected[at : at + HASH_BYTES])
            shown = self._heads.get(tree.size)
            if shown is not None and shown != tree.root():
                what = f"the first {tree.size} records are not those of a signed checkpoint"
                self._report.add(Fault.FORK, what)

    def _name_wrong(self, odd: _Odd, other: int | None) -> None:
        whole = other is not None and other not in self._wrong and other not in self._missing
        if other is None:
            fault, what = Fault.ALTERED, "its leaf is not what was signed"
        elif whole:
            fault, what = Fault.DUPLICATED, f"in its place stands a copy of record {other}"
        else:
            fault, what = Fault.REORDERED, f"in its place stands record {other}"
        self._report.add(fault, what, index=odd.place, record_id=odd.record_id)

    def _name_extra(self, odd: _Odd, other: int | None) -> None:
        if other is None:
            fault, what = Fault.INSERTED, f"nobody signed this record ({odd.where})"
        elif other in self._missing:
            self._missing.discard(other)
            fault, what = Fault.REORDERED, f"it was moved ({odd.where})"
        else:
            fault, what = Fault.DUPLICATED, f"a copy of it was inserted ({odd.where})"
        self._report.add(fault, what, index=other, record_id=odd.record_id)


def _in_order(by_position: dict[int | None, list[Row]], records: int) -> bytes | None:
    """The hashes, when there is exactly one row for each position."""
    try:
        rows = [by_position[position] for position in range(records)]
    except KeyError:
        return None
    if any(len(each) > 1 for each in rows):
        return None
    return b"".join(each[0].hashed_leaf for each in rows)


def _places(wanted: set[bytes], hashes: Iterable[tuple[int, bytes]]) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for number, content in hashes:
        for at in range(0, len(content), HASH_BYTES):
            each = content[at : at + HASH_BYTES]
            if each in wanted:
                found.setdefault(each, number * 256 + at // HASH_BYTES)
    return found
