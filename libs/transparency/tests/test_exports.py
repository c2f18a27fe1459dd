"""An export proves itself, and what somebody changed in it is named, whatever its manifest says."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from privity_transparency import manifest
from privity_transparency.verifier.export import NotAnExport, verify_export
from privity_transparency.verifier.findings import Fault, Report

from .conftest import RECORDS, trust_in
from .made_export import seal, write_export
from .made_log import MadeLog
from .tampering import changed

Lines = list[dict[str, object]]
Change = Callable[[Lines], Lines]


@pytest.fixture
def export(tmp_path: Path, made: MadeLog) -> Path:
    return write_export(tmp_path / "export", made)


def verify(folder: Path, made: MadeLog) -> Report:
    return verify_export(folder, trust_in(made), workers=1)


def rewrite(folder: Path, change: Change, *, records: int) -> None:
    """Changes the records and makes the manifest fit."""
    path = folder / manifest.RECORDS
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    path.write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in change(lines)))
    seal(folder, size=RECORDS, records=records, whole=True)


def test_a_whole_export_is_verified_with_its_batches_and_without(
    export: Path, made: MadeLog, tmp_path: Path
) -> None:
    report = verify(export, made)
    bare = verify(write_export(tmp_path / "bare", made, batches=False), made)

    assert report.findings == bare.findings == []
    assert report.records == bare.records == RECORDS
    assert (report.batches, bare.batches) == (len(made.rows["batches"]), 0)


def test_a_selection_is_verified_with_the_few_tiles_that_it_needs(
    made: MadeLog, tmp_path: Path
) -> None:
    chosen = random.Random(7).sample(range(512), 20)

    folder = write_export(tmp_path / "selection", made, chosen)
    report = verify(folder, made)

    assert report.findings == []
    assert report.records == 20
    assert not (folder / "tile/0/002").exists()


def _edited(lines: Lines) -> Lines:
    lines[100]["leaf"] = changed(str(lines[100]["leaf"]).encode(), purpose="catalogue").decode()
    return lines


def _copied(lines: Lines) -> Lines:
    lines[100]["leaf"] = lines[3]["leaf"]
    return lines


def _exchanged(lines: Lines) -> Lines:
    lines[100]["leaf"], lines[3]["leaf"] = lines[3]["leaf"], lines[100]["leaf"]
    return lines


def _forged(lines: Lines) -> Lines:
    leaf = changed(str(lines[5]["leaf"]).encode(), id="rec_" + "0" * 26).decode()
    return [*lines[:-1], {**lines[5], "leaf": leaf}]


@pytest.mark.parametrize(
    ("change", "records", "said"),
    [
        (_edited, RECORDS, {(Fault.ALTERED, 100)}),
        (_copied, RECORDS, {(Fault.DUPLICATED, 100)}),
        (_exchanged, RECORDS, {(Fault.REORDERED, 3), (Fault.REORDERED, 100)}),
        (lambda lines: lines[:100] + lines[101:] + lines[:1], RECORDS,
         {(Fault.REMOVED, 100), (Fault.DUPLICATED, 0)}),
        (lambda lines: [*lines[:100], lines[101], lines[100], *lines[102:]], RECORDS,
         {(Fault.REORDERED, 100)}),
        (_forged, RECORDS, {(Fault.REMOVED, RECORDS - 1), (Fault.INSERTED, None)}),
        (lambda lines: lines[:-7], RECORDS,
         {(Fault.FILE, None), *((Fault.REMOVED, RECORDS - n) for n in range(1, 8))}),
        (lambda lines: [*lines[:9], {**lines[9], "batch": 77}, *lines[10:]], RECORDS,
         {(Fault.COLUMN, 9)}),
    ],
)  # fmt: skip
def test_changed_records_are_named_although_the_manifest_fits(
    change: Change,
    records: int,
    said: set[tuple[Fault, int | None]],
    export: Path,
    made: MadeLog,
) -> None:
    rewrite(export, change, records=records)

    report = verify(export, made)

    assert {(each.fault, each.index) for each in report.findings} == said


def test_files_that_are_not_the_manifests_are_named(export: Path, made: MadeLog) -> None:
    (export / "tile/0/001").write_bytes(bytes(8192))
    (export / manifest.PROCESSES).unlink()

    report = verify(export, made)

    assert {str(each) for each in report.findings if each.fault is Fault.FILE} == {
        "FILE: tile/0/001 is not the file that the manifest lists",
        "FILE: processes.ndjson is missing",
    }
    assert report.faults[Fault.TILE] == 1


def test_a_manifest_that_shortens_the_log_does_not_fit_its_checkpoint(
    export: Path, made: MadeLog
) -> None:
    path = export / manifest.RECORDS
    path.write_bytes(b"\n".join(path.read_bytes().split(b"\n")[:100]) + b"\n")
    seal(export, size=100, records=100, whole=True)

    assert set(verify(export, made).faults) == {Fault.CHECKPOINT}


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"format": "privity-audit-export/v1", "files": 3}', b"[]"]
)
def test_what_has_no_manifest_is_no_export(content: bytes, export: Path, made: MadeLog) -> None:
    (export / manifest.MANIFEST).write_bytes(content)

    with pytest.raises(NotAnExport):
        verify(export, made)


def test_a_manifest_names_no_file_outside_its_folder() -> None:
    for path in ("/etc/passwd", "../secrets", "tile/../../x", ""):
        with pytest.raises(ValueError, match="lies beside"):
            manifest.File(path, 0, "")
