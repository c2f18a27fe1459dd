"""Migrations at start, with real folders on a real server."""

import asyncio
import subprocess
import sys

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, text

from privity_database import Database, differences, migrate

ENV = """\
from sqlalchemy import MetaData
from privity_database.migrations import run
run(MetaData())
"""

FIRST = """\
import time
from alembic import op
revision, down_revision = "0001", None

def upgrade():
    op.execute("CREATE TABLE {table} (id int PRIMARY KEY)")
    time.sleep(0.3)  # long enough for the other start to arrive
    op.execute("INSERT INTO {table} VALUES (1)")
"""

SECOND = """\
from alembic import op
revision, down_revision = "0002", "0001"

def upgrade():
    op.execute("ALTER TABLE {table} ADD COLUMN words text")
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY by_words ON {table} (words)")
"""

BROKEN = """\
from alembic import op
revision, down_revision = "0003", "0002"

def upgrade():
    op.execute("CREATE TABLE half_done (id int)")
    op.execute("SELECT 1 / 0")
"""


def a_folder(path, table="note", versions=(FIRST, SECOND)):
    (path / "versions").mkdir(parents=True)
    (path / "env.py").write_text(ENV)
    for number, body in enumerate(versions):
        (path / "versions" / f"v{number}.py").write_text(body.replace("{table}", table))
    return path


async def rows(url, question):
    database = Database(url, pool_size=1)
    try:
        async with database.transaction() as tx:
            return list(await tx.scalars(text(question)))
    finally:
        await database.dispose()


async def execute(url, statement):
    database = Database(url, pool_size=1)
    try:
        async with database.transaction() as tx:
            await tx.execute(text(statement))
    finally:
        await database.dispose()


async def test_migrations_run_inside_a_running_loop_and_only_once(make_database, tmp_path):
    urls, folder = make_database("migrate"), a_folder(tmp_path / "migrations")

    await migrate(urls.owner, folder)
    await migrate(urls.owner, folder)

    assert await rows(urls.runtime, "SELECT id FROM note") == [1]
    assert await rows(urls.runtime, "SELECT version_num FROM alembic_version") == ["0002"]


async def test_starts_in_one_process_at_once_are_as_good_as_one(make_database, tmp_path):
    urls, folder = make_database("together"), a_folder(tmp_path / "migrations")
    other = make_database("beside")

    await asyncio.gather(*(migrate(url, folder) for url in (urls.owner, urls.owner, other.owner)))

    for url in (urls.runtime, other.runtime):
        assert await rows(url, "SELECT id FROM note") == [1]


def test_two_processes_that_start_at_once_are_as_good_as_one(make_database, tmp_path):
    urls, folder = make_database("processes"), a_folder(tmp_path / "migrations")
    script = (
        "import asyncio, pathlib, sys; from privity_database import migrate;"
        "asyncio.run(migrate(sys.argv[1], pathlib.Path(sys.argv[2])))"
    )

    starts = [
        subprocess.Popen([sys.executable, "-c", script, urls.owner, str(folder)]) for _ in range(2)
    ]

    assert [start.wait(30) for start in starts] == [0, 0]
    assert asyncio.run(rows(urls.runtime, "SELECT id FROM note")) == [1]


def test_a_start_with_nothing_to_migrate_does_without_alembic(make_database, tmp_path):
    urls, folder = make_database("nothing"), a_folder(tmp_path / "migrations", versions=(FIRST,))
    script = (
        "import asyncio, pathlib, sys; from privity_database import migrate;"
        "asyncio.run(migrate(sys.argv[1], pathlib.Path(sys.argv[2])));"
        "print('alembic' in sys.modules)"
    )

    def start():
        command = [sys.executable, "-c", script, urls.owner, str(folder)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert [start(), start()] == ["True", "False"]
    (folder / "versions" / "v1.py").write_text(SECOND.replace("{table}", "note"))
    assert [start(), start()] == ["True", "False"]
    assert asyncio.run(rows(urls.runtime, "SELECT words FROM note")) == [None]


@pytest.mark.parametrize("stored", ["an older version", "two versions", "none"])
def test_a_start_that_is_not_certain_leaves_it_to_alembic(make_database, tmp_path, stored):
    urls, folder = make_database("uncertain"), a_folder(tmp_path / "migrations", versions=(FIRST,))
    asyncio.run(migrate(urls.owner, folder))
    (folder / "versions" / "v1.py").write_text(SECOND.replace("{table}", "note"))
    if stored == "two versions":  # a branch, which nobody has merged yet
        (folder / "versions" / "v2.py").write_text(BROKEN.replace('"0002"', '"0001"', 1))
    elif stored == "none":
        asyncio.run(execute(urls.owner, "DROP TABLE alembic_version, note"))

    if stored == "two versions":
        with pytest.raises(Exception, match=r"[Mm]ultiple head"):
            asyncio.run(migrate(urls.owner, folder))
        return
    asyncio.run(migrate(urls.owner, folder))

    assert asyncio.run(rows(urls.runtime, "SELECT version_num FROM alembic_version")) == ["0002"]


async def test_two_folders_share_a_database_with_a_version_table_each(make_database, tmp_path):
    urls = make_database("folders")
    mine = a_folder(tmp_path / "mine", versions=(FIRST,))
    shared = a_folder(tmp_path / "shared", table="job", versions=(FIRST,))

    await migrate(urls.owner, mine)
    await migrate(urls.owner, shared, version_table="jobs_version")

    assert await rows(urls.runtime, "SELECT n.id FROM note n JOIN job j ON j.id = n.id") == [1]


async def test_a_migration_that_fails_leaves_the_version_before_it(make_database, tmp_path):
    urls = make_database("broken")
    folder = a_folder(tmp_path / "migrations", versions=(FIRST, SECOND, BROKEN))

    with pytest.raises(Exception, match="division by zero"):
        await migrate(urls.owner, folder)

    assert await rows(urls.runtime, "SELECT version_num FROM alembic_version") == ["0002"]
    assert await rows(urls.runtime, "SELECT to_regclass('half_done')::text") == [None]


async def test_differences_between_tables_and_models_are_found(make_database, tmp_path):
    urls = make_database("models")
    await migrate(urls.owner, a_folder(tmp_path / "migrations", versions=(FIRST,)))
    agreeing, missing = MetaData(), MetaData()
    Table("note", agreeing, Column("id", Integer, primary_key=True, autoincrement=False))
    Table("other", missing, Column("id", Integer))

    assert await differences(urls.owner, agreeing) == []
    assert [change[0] for change in await differences(urls.owner, missing)] == [
        "add_table",
        "remove_table",
    ]
