"""Records lie by month, and no append fails because a month began."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

import privacy_gateway
from privacy_gateway.clients.line import for_driver
from privity_database import migrate

MIGRATIONS = Path(privacy_gateway.__file__).parent / "migrations"

MONTHS = """
SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = 'records'::regclass ORDER BY 1
"""


async def months_of(store):
    return [row["relname"] for row in await store.owner.fetch(MONTHS)]


async def test_the_months_around_now_have_their_place_made(store, new_process):
    await new_process()
    now = datetime.now(UTC)

    made = await months_of(store)

    ahead = [(now.year * 12 + now.month - 1 + more) for more in (0, 1, 2)]
    assert {f"records_{n // 12:04d}_{n % 12 + 1:02d}" for n in ahead} <= set(made)


@pytest.mark.parametrize(
    ("moment", "place"),
    [
        (datetime(2027, 7, 31, 23, 59, 59, 999_000, tzinfo=UTC), "records_2027_07"),
        (datetime(2027, 8, 1, tzinfo=UTC), "records_2027_08"),
    ],
)
async def test_a_month_that_nobody_prepared_is_made_by_the_append(
    store, new_process, reading, moment, place
):
    log = await new_process(clock=lambda: moment)
    await store.owner.execute(f"DROP TABLE IF EXISTS {place}")

    [receipt] = await log.record([reading()])

    stored = await store.owner.fetch(f"SELECT id FROM {place}")  # noqa: S608
    assert [row["id"] for row in stored] == [receipt.record_id]
    assert log.failed_batches == 0


async def test_a_month_is_made_while_others_append_and_read(store, new_process, reading):
    """Making one takes no lock that would have to wait for them."""
    log = await new_process()
    reader = await asyncpg.connect(for_driver(store.urls.runtime))
    async with reader.transaction():
        await reader.fetch("SELECT count(*) FROM records")
        async with asyncio.timeout(5):
            await store.owner.execute("DROP TABLE IF EXISTS records_2029_03")
            await store.owner.execute("SELECT make_month('2029-03-15 00:00+00')")
            assert await log.record([reading()])
    await reader.close()

    assert "records_2029_03" in await months_of(store)


async def test_two_that_make_a_month_at_once_make_one(store):
    urls = [store.urls.owner, store.urls.runtime]
    lines = [await asyncpg.connect(for_driver(url)) for url in urls * 2]

    await asyncio.gather(
        *(line.execute("SELECT make_month('2029-05-01 00:00+00')") for line in lines)
    )
    for line in lines:
        await line.close()

    assert (await months_of(store)).count("records_2029_05") == 1


async def test_nobody_makes_months_without_end(store):
    gateway = await asyncpg.connect(for_driver(store.urls.runtime))

    with pytest.raises(asyncpg.DatetimeFieldOverflowError):
        await gateway.execute("SELECT make_month('2999-01-01 00:00+00')")
    await gateway.close()


ALLOWED = {
    "gateway": {
        "records": "SELECT INSERT",
        "openings": "SELECT INSERT",
        "processes": "SELECT INSERT",
        "batches": "SELECT INSERT",
        "log_batches": "SELECT",
        "tiles": "SELECT",
        "checkpoints": "SELECT",
        "sequencing": "",
    },
    "sequencer": {
        "records": "SELECT",
        "openings": "",
        "processes": "SELECT",
        "batches": "SELECT",
        "log_batches": "SELECT INSERT",
        "tiles": "SELECT INSERT UPDATE",
        "checkpoints": "SELECT INSERT",
        "sequencing": "SELECT UPDATE",
    },
}


@pytest.mark.parametrize("who", ALLOWED)
async def test_each_role_may_do_what_its_work_needs_and_nothing_else(store, who):
    role = {"gateway": store.urls.name, "sequencer": f"{store.urls.name}_log"}[who]
    rights = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"]

    for table, allowed in ALLOWED[who].items():
        found = [
            right
            for right in rights
            if await store.owner.fetchval(
                "SELECT has_table_privilege($1, $2, $3)", role, table, right
            )
        ]
        assert found == allowed.split(), table


async def test_records_from_before_the_log_are_kept(make_database, tmp_path):
    """The way from the first version, with records in it, to this one."""
    urls = make_database("older", grants="insert_select", apart=("log",))
    folder = tmp_path / "audit"
    (folder / "versions").mkdir(parents=True)
    audit = MIGRATIONS / "audit"
    (folder / "env.py").write_text((audit / "env.py").read_text())
    first = audit / "versions" / "0001_records.py"
    (folder / "versions" / first.name).write_text(first.read_text())
    await migrate(urls.owner, folder)
    owner = await asyncpg.connect(for_driver(urls.owner))
    await owner.execute(
        "INSERT INTO records SELECT 'rec_' || n, '2025-12-31 23:00+00'::timestamptz"
        " + make_interval(hours => n), '{}', 'read', 'allow', 'delivery', 'dispatch', NULL,"
        " 'svc_x', '{user.name}' FROM generate_series(1, 3) AS n"
    )

    await migrate(urls.owner, MIGRATIONS / "audit")

    kept = await owner.fetch("SELECT id, tableoid::regclass::text AS place FROM records ORDER BY 1")
    assert [tuple(row) for row in kept] == [
        ("rec_1", "records_2026_01"),
        ("rec_2", "records_2026_01"),
        ("rec_3", "records_2026_01"),
    ]
    await owner.close()
