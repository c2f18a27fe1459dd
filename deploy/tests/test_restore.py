"""What a restore that does not come to its end leaves behind: what was there before it."""

import asyncio
import os
from datetime import UTC, datetime

import asyncpg
import pytest

from privity_deploy import backup, restore
from privity_deploy.dumping import ToolFailed
from privity_deploy.stack import Stack
from privity_postgres import for_driver

DATABASES = """
[[database]]
name = "{name}"
owner = "{name}_owner"
runtime = "{name}_runtime"
grants = "read_write"
"""
TABLES = {
    "privity_gateway": "CREATE TABLE journal_replay (through bigint);"
    " INSERT INTO journal_replay VALUES (0)",
    "privity_journal": "CREATE TABLE journal (number bigint)",
    "privity_orders": "CREATE TABLE orders (id text); INSERT INTO orders VALUES ('first')",
    "privity_keys": "CREATE TABLE journal_replay (through bigint);"
    " CREATE TABLE data_keys (wrapped text);"
    " INSERT INTO data_keys SELECT repeat(md5(n::text), 30) FROM generate_series(1, 2000) n",
}


def on(stack, name, statement):
    async def ask():
        url = for_driver(stack.places.admin_url, database=name)
        connection = await asyncpg.connect(url)
        try:
            if statement.startswith("SELECT"):
                return await connection.fetchval(statement)
            return await connection.execute(statement)
        finally:
            await connection.close()

    return asyncio.run(ask())


@pytest.mark.skipif("DATABASE_URL" in os.environ, reason="the server's tools are elsewhere")
def test_a_restore_loses_no_keys_and_puts_back_one_database_when_told_so(a_root):
    tables = "".join(DATABASES.format(name=name) for name in TABLES)
    (a_root / "deploy" / "databases.toml").write_text(tables)
    (a_root / "deploy" / "processes.toml").write_text("process = []")
    stack = Stack(a_root)
    folders = backup.Folders(a_root / "data", a_root / "keys", a_root / "journal")
    with stack.closed():
        with pytest.raises(restore.Refused, match="no keys"):
            asyncio.run(restore._restore(stack, backup.Manifest("", 0, {}), {}, None))
        for name, statements in TABLES.items():
            on(stack, name, statements)
        bin_dir = stack.postgres.bin_dir
        data = backup.backup(stack.running, folders, bin_dir=bin_dir, now=datetime.now(UTC))
    keys = folders.keys / data.name / "privity_keys.dump"
    short = a_root / "short"
    short.mkdir()
    (short / keys.name).write_bytes(keys.read_bytes()[: keys.stat().st_size // 2])

    with pytest.raises(restore.Refused, match="is not there"):
        restore.restore(stack, data, keys=a_root / "misspelt")
    with pytest.raises(ToolFailed):
        restore.restore(stack, data, keys=short)
    with stack.closed():
        assert on(stack, "privity_keys", "SELECT count(*) FROM data_keys") == 2000
        on(stack, "privity_keys", "DELETE FROM data_keys")

    assert "privity_keys" in restore.restore(stack, data, keys=keys.parent)
    with stack.closed():
        assert on(stack, "privity_keys", "SELECT count(*) FROM data_keys") == 2000
        found = "SELECT count(*) FROM pg_database WHERE datname LIKE '%put_back'"
        assert on(stack, "postgres", found) == 0

    with stack.closed():
        for name, statement in (
            ("privity_journal", "INSERT INTO journal VALUES (7)"),
            ("privity_gateway", "UPDATE journal_replay SET through = 7"),
            ("privity_orders", "UPDATE orders SET id = 'second'"),
        ):
            on(stack, name, statement)

    with pytest.raises(restore.Refused, match="not in this backup: privity_order"):
        restore.restore(stack, data, only=["privity_order"])
    assert restore.restore(stack, data, only=["privity_orders"]) == ["privity_orders"]
    with stack.closed():
        assert on(stack, "privity_orders", "SELECT id FROM orders") == "first"
        # It was not put back, and will look at what was deleted since the backup all the same.
        assert on(stack, "privity_gateway", "SELECT through FROM journal_replay") == 0
        assert on(stack, "privity_keys", "SELECT count(*) FROM data_keys") == 2000
