"""Closing a month: nothing leaves the store before the archive of it verifies."""

import io
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta

import pytest

from privacy_gateway.api.command_line import main
from privacy_gateway.domain.archiving.closing import NotClosed, close_month
from privacy_gateway.domain.audit import archived
from privacy_gateway.domain.audit.archived import RecordArchived
from privacy_gateway.domain.audit.filters import Filters
from privacy_gateway.domain.audit.log import AuditLog
from privity_contracts import ids
from privity_rest import NotFound
from privity_transparency.verifier.export import verify_export

NOW = datetime.now(UTC)
PAST = NOW.replace(day=1, hour=12, minute=0, second=0, microsecond=0) - timedelta(days=5)
MONTH = f"{PAST:%Y-%m}"
SOON = PAST + timedelta(days=40)


@pytest.fixture
async def months(signed_owner):
    """Puts a month back afterwards: the store is one for all tests here."""
    yield
    part = f"records_{MONTH.replace('-', '_')}"
    attached = "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass($1))"
    if not await signed_owner.fetchval(attached, part):
        await signed_owner.execute(f"DROP TABLE IF EXISTS {part}")
        await signed_owner.execute("SELECT make_month($1)", PAST)
    await signed_owner.execute("TRUNCATE archived_months")


@pytest.fixture
async def written(signed_database, signed_owner, vault, new_chain, log, reading, months):
    """So many records of the past month, and some of this one; gives the past ones' ids."""
    past = AuditLog(
        signed_database.runtime, vault, new_chain(), clock=lambda: PAST, deadline_seconds=10
    )
    await past.start()

    async def write(count):
        receipts = [r for _ in range(count) for r in await past.record([reading()])]
        await log.record([reading()] * 3)
        return [receipt.record_id for receipt in receipts]

    yield write
    await past.close()


def closing(signed_database, signed_log, folder, *, now=SOON, month=MONTH):
    return close_month(
        signed_database.owner, month, folder, log_key=signed_log.signer.verifier, now=now
    )


async def held(owner):
    return await owner.fetchval("SELECT count(*) FROM records")


async def test_a_month_is_archived_and_its_records_still_prove(
    written, signed_database, signed_log, signed_owner, records, tmp_path
):
    await written(30)
    await signed_log.sign()

    closed = await closing(signed_database, signed_log, tmp_path)

    assert (closed.records, closed.folder) == (30, tmp_path / MONTH)
    assert verify_export(closed.folder, signed_log.trust, workers=1).clean
    assert list(closed.folder.glob("records-*.parquet"))
    assert await held(signed_owner) == 3
    [month] = await archived.months(records, Filters())
    assert month == {"month": MONTH, "records": 30, "manifest": closed.manifest}
    assert await archived.months(records, Filters(since=NOW)) == []


async def test_an_archived_record_is_said_to_be_so(
    written, signed_database, signed_log, records, tmp_path
):
    await written(1)
    await signed_log.sign()
    await closing(signed_database, signed_log, tmp_path)
    theirs = ids.mint("rec", clock=PAST.timestamp)

    assert isinstance(await archived.missing(records, theirs), RecordArchived)
    assert isinstance(await archived.missing(records, ids.mint("rec")), NotFound)


@pytest.mark.parametrize(
    "plant",
    [
        "UPDATE records SET leaf = leaf || '\\x20' WHERE id = $1",
        "DELETE FROM records WHERE id = $1",
        "DELETE FROM records WHERE (process_id, batch) = (SELECT process_id, batch FROM records"
        " WHERE id = $1)",
        "UPDATE records SET batch = batch + 1000 WHERE id = $1",
    ],
    ids=["edited", "removed", "its whole batch removed", "in no batch"],
)
async def test_a_month_that_was_tampered_with_is_not_detached(
    written, signed_database, signed_log, signed_owner, tmp_path, plant
):
    made = await written(10)
    await signed_log.sign()
    await signed_owner.execute(plant, made[4])
    before = await held(signed_owner)

    with pytest.raises(NotClosed):
        await closing(signed_database, signed_log, tmp_path)

    assert await held(signed_owner) == before
    assert not (tmp_path / MONTH).exists()


async def test_a_month_is_closed_after_its_end_once_and_with_the_logs_own_key(
    written, signed_database, signed_log, tmp_path
):
    await written(2)
    with pytest.raises(NotClosed, match="no checkpoint"):
        await closing(signed_database, signed_log, tmp_path)
    await signed_log.sign()

    with pytest.raises(NotClosed, match="a day after its end"):
        await closing(signed_database, signed_log, tmp_path, now=PAST + timedelta(hours=1))
    with pytest.raises(NotClosed, match="is written as"):
        await closing(signed_database, signed_log, tmp_path, month="2026-13")
    with pytest.raises(NotClosed, match="not in the store"):
        await closing(signed_database, signed_log, tmp_path, month="2001-01")
    await closing(signed_database, signed_log, tmp_path)
    with pytest.raises(NotClosed, match="not in the store"):
        await closing(signed_database, signed_log, tmp_path)


async def test_what_is_not_in_the_log_yet_is_not_closed(
    written, signed_database, signed_log, tmp_path
):
    await written(2)
    await signed_log.sign()
    await written(1)

    with pytest.raises(NotClosed, match="not in the log"):
        await closing(signed_database, signed_log, tmp_path)


def test_the_command_says_what_it_lacks(monkeypatch, tmp_path):
    monkeypatch.delenv("GATEWAY_AUDIT_MIGRATION_DATABASE_URL", raising=False)
    said = io.StringIO()
    with redirect_stderr(said), redirect_stdout(said):
        code = main(["audit", "close-month", MONTH, "--to", str(tmp_path), "--log-key", "x"])

    assert code == 1
    assert "GATEWAY_AUDIT_MIGRATION_DATABASE_URL" in said.getvalue()
