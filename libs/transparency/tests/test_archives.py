"""Closed months: what left the database for an archive is verified with it, and named like it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import asyncpg
import pytest

from privity_postgres.testing import DatabaseUrls
from privity_transparency import manifest
from privity_transparency.verifier.archives import NotAnArchive
from privity_transparency.verifier.database import verify_database
from privity_transparency.verifier.findings import Fault, Report

from .conftest import RECORDS, trust_in
from .made_export import write_export
from .made_log import MadeLog

HALF = RECORDS // 2


@pytest.fixture
async def archive(owner: asyncpg.Connection, made: MadeLog, tmp_path: Path) -> AsyncIterator[Path]:
    """The first half of the log, with the cut through a batch, is there and not in the tables."""
    cut = next(first for first, _, _, n in made.rows["log_batches"] if first > HALF and n > 1)
    await owner.executemany(
        "DELETE FROM records WHERE id = $1",
        [(row[0],) for row in made.rows["records"][: cut + 1]],
    )
    folder = write_export(tmp_path / "2026-11", made, range(cut + 1))
    closed = sha256((folder / manifest.MANIFEST).read_bytes()).hexdigest()
    await owner.execute(
        "INSERT INTO archived_months VALUES ('2026-11', $1, $2, now())", cut + 1, closed
    )
    yield folder
    await owner.execute("DELETE FROM archived_months")


async def verify(urls: DatabaseUrls, made: MadeLog, *archives: Path) -> Report:
    return await verify_database(urls.runtime, trust_in(made), archives=archives)


async def test_with_its_archive_the_log_is_whole_and_without_it_is_not(
    archive: Path, urls: DatabaseUrls, made: MadeLog
) -> None:
    together, alone = await verify(urls, made, archive), await verify(urls, made)

    assert together.findings == []
    assert together.records == RECORDS
    assert set(alone.faults) == {Fault.REMOVED}


async def test_an_archived_record_that_was_changed_is_named(
    archive: Path, urls: DatabaseUrls, made: MadeLog
) -> None:
    path = archive / manifest.RECORDS
    lines = path.read_bytes().split(b"\n")
    lines[7] = lines[7].replace(b"2026-11-22", b"2026-11-23")
    del lines[20]
    path.write_bytes(b"\n".join(lines))

    report = await verify(urls, made, archive)

    assert {(each.fault, each.index) for each in report.findings} == {
        (Fault.FILE, None),
        (Fault.ALTERED, 7),
        (Fault.REMOVED, 20),
    }


async def test_an_archive_whose_manifest_was_made_to_fit_is_not_the_one_that_was_closed(
    archive: Path, urls: DatabaseUrls, made: MadeLog
) -> None:
    path = archive / manifest.MANIFEST
    said = json.loads(path.read_bytes())
    (tile,) = [each for each in said["files"] if each["path"].startswith("tile/0/001")]
    (archive / tile["path"]).write_bytes(bytes(tile["bytes"]))
    tile["sha256"] = sha256(bytes(tile["bytes"])).hexdigest()
    path.write_text(json.dumps(said))

    report = await verify(urls, made, archive)

    assert [str(each) for each in report.findings] == [
        "FILE: 2026-11: no month was closed with this manifest"
    ]


async def test_an_archive_that_is_named_twice_is_one(
    archive: Path, urls: DatabaseUrls, made: MadeLog
) -> None:
    report = await verify(urls, made, archive, archive.parent / "." / archive.name)

    assert report.findings == []


async def test_a_folder_without_a_manifest_is_no_archive(
    urls: DatabaseUrls, made: MadeLog, tmp_path: Path
) -> None:
    with pytest.raises(NotAnArchive):
        await verify(urls, made, tmp_path)
