"""The verifier with several processes; over as many records as PRIVITY_RECORDS says."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from privity_database import migrate
from privity_postgres.testing import DatabaseUrls, MakeDatabase
from privity_transparency.verifier import database, export

from .conftest import MIGRATIONS, plain, trust_in
from .made_export import write_export
from .made_log import MadeLog, make_log

MANY = int(os.environ.get("PRIVITY_RECORDS", "0"))


@pytest.fixture(scope="module")
def many(made: MadeLog) -> MadeLog:
    return make_log(MANY, largest_batch=400) if MANY else made


@pytest.fixture(scope="module")
async def many_urls(urls: DatabaseUrls, many: MadeLog, make_database: MakeDatabase) -> DatabaseUrls:
    if not MANY:
        return urls
    made_urls = make_database("many", grants="insert_select", apart=("log",))
    await migrate(made_urls.owner, MIGRATIONS)
    connection = await asyncpg.connect(plain(made_urls.owner))
    await many.load(connection)
    await connection.execute("ANALYZE")
    await connection.close()
    return made_urls


async def test_a_whole_database_is_read_by_several_processes_in_one_snapshot(
    many_urls: DatabaseUrls,
    many: MadeLog,
    monkeypatch: pytest.MonkeyPatch,
    record_figures: Callable[[str], None],
) -> None:
    monkeypatch.setattr(database, "_WORTH_PROCESSES", 0)
    records, batches = len(many.rows["records"]), len(many.rows["batches"])
    began = time.perf_counter()

    report = await database.verify_database(many_urls.runtime, trust_in(many))

    seconds = time.perf_counter() - began
    assert report.findings == []
    assert (report.records, report.batches) == (records, batches)
    record_figures(f"{records:,} records in {batches:,} batches: database in {seconds:.1f} s")


def test_a_whole_export_is_read_by_several_processes(
    many: MadeLog,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_figures: Callable[[str], None],
) -> None:
    monkeypatch.setattr(export, "_WORTH_PROCESSES", 0)
    folder = write_export(tmp_path / "export", many)
    began = time.perf_counter()

    report = export.verify_export(folder, trust_in(many))

    seconds = time.perf_counter() - began
    assert report.findings == []
    assert report.records == len(many.rows["records"])
    record_figures(f"{report.records:,} records: export in {seconds:.1f} s")
