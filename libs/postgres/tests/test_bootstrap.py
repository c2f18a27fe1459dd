"""Roles and databases, on a real server."""

import asyncio
import secrets

import asyncpg
import pytest

from privity_postgres import DatabaseEntry, Grants, ServerUnusable, bootstrap, drop, for_driver
from privity_postgres.bootstrap import UnsafeName


async def connect(url):
    return await asyncpg.connect(for_driver(url))


async def as_owner_make_a_table(urls):
    owner = await connect(urls.owner)
    await owner.execute("CREATE TABLE note (id bigint GENERATED ALWAYS AS IDENTITY, text text)")
    await owner.close()


async def test_a_runtime_role_works_with_rows_and_cannot_change_tables(make_database):
    urls = make_database("rows")
    await as_owner_make_a_table(urls)
    runtime = await connect(urls.runtime)

    await runtime.execute("INSERT INTO note (text) VALUES ('a')")
    await runtime.execute("UPDATE note SET text = 'b'")
    assert await runtime.fetchval("SELECT text FROM note") == "b"
    await runtime.execute("DELETE FROM note")

    for forbidden in ("TRUNCATE note", "DROP TABLE note", "CREATE TABLE mine (id int)"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await runtime.execute(forbidden)
    await runtime.close()


async def test_the_audit_kind_can_insert_and_select_only(make_database):
    urls = make_database("records", grants="insert_select")
    await as_owner_make_a_table(urls)
    runtime = await connect(urls.runtime)

    await runtime.execute("INSERT INTO note (text) VALUES ('a')")
    assert await runtime.fetchval("SELECT text FROM note") == "a"

    for forbidden in ("UPDATE note SET text = 'b'", "DELETE FROM note", "TRUNCATE note"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await runtime.execute(forbidden)
    await runtime.close()


async def test_a_role_cannot_enter_another_services_database(make_database):
    mine, theirs = make_database("mine"), make_database("theirs")
    crossed = for_driver(mine.runtime, database=theirs.name)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connect(crossed)


async def test_doing_it_again_and_at_the_same_time_changes_nothing(postgres_server):
    name = f"privity_test_twice_{secrets.token_hex(4)}"
    entry = DatabaseEntry(name=name, owner=f"{name}_owner", runtime=name)
    passwords = {entry.owner: "a" * 32, entry.runtime: "b" * 32}

    try:
        await asyncio.gather(
            *(bootstrap(postgres_server.admin_url, [entry], passwords=passwords) for _ in range(4))
        )
        url = for_driver(
            postgres_server.admin_url, database=name, user=entry.runtime, password="b" * 32
        )
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("SELECT current_user") == entry.runtime
        await connection.close()
    finally:
        await drop(postgres_server.admin_url, entry)


async def test_a_role_that_may_only_create_roles_and_databases_is_enough(postgres_server):
    admin = await connect(postgres_server.admin_url)
    name = f"privity_test_small_{secrets.token_hex(4)}"
    await admin.execute(f"CREATE ROLE {name}_admin LOGIN CREATEDB CREATEROLE PASSWORD 'secret'")
    small = for_driver(postgres_server.admin_url, user=f"{name}_admin", password="secret")
    entry = DatabaseEntry(
        name=name, owner=f"{name}_owner", runtime=name, grants=Grants.INSERT_SELECT
    )
    passwords = {entry.owner: "a" * 32, entry.runtime: "b" * 32}

    try:
        for _ in range(2):
            await bootstrap(small, [entry], passwords=passwords)
        runtime = await asyncpg.connect(
            for_driver(small, database=name, user=name, password="b" * 32)
        )
        assert await runtime.fetchval("SELECT current_database()") == name
        await drop(small, entry)
        assert not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name)
    finally:
        await drop(postgres_server.admin_url, entry)
        await admin.execute(f"DROP ROLE {name}_admin")
        await admin.close()


async def test_a_narrowed_grant_takes_effect_for_new_tables(postgres_server):
    name = f"privity_test_narrow_{secrets.token_hex(4)}"
    passwords = {f"{name}_owner": "a" * 32, name: "b" * 32}
    wide = DatabaseEntry(name=name, owner=f"{name}_owner", runtime=name)
    narrow = DatabaseEntry(
        name=name, owner=f"{name}_owner", runtime=name, grants=Grants.INSERT_SELECT
    )

    try:
        for entry in (wide, narrow):
            await bootstrap(postgres_server.admin_url, [entry], passwords=passwords)
        admin = await asyncpg.connect(for_driver(postgres_server.admin_url, database=name))
        await admin.execute(f"SET ROLE {name}_owner")
        await admin.execute("CREATE TABLE note (id int)")
        held = await admin.fetch(
            "SELECT privilege_type FROM information_schema.table_privileges WHERE grantee = $1",
            name,
        )
        await admin.close()
    finally:
        await drop(postgres_server.admin_url, wide)

    assert {row["privilege_type"] for row in held} == {"INSERT", "SELECT"}


async def test_a_role_that_may_create_nothing_is_told_what_it_needs(make_database):
    urls = make_database("modest")
    entry = DatabaseEntry(name="privity_test_x", owner="privity_test_o", runtime="privity_test_r")

    with pytest.raises(ServerUnusable, match="CREATEDB and CREATEROLE"):
        await bootstrap(
            urls.owner, [entry], passwords={"privity_test_o": "a", "privity_test_r": "b"}
        )


async def test_a_server_that_is_not_there_is_named_without_the_password(tmp_path):
    with pytest.raises(ServerUnusable, match="cannot be reached") as refusal:
        await bootstrap(f"postgresql://me:hidden@/x?host={tmp_path}", [], passwords={})

    assert "hidden" not in str(refusal.value)


@pytest.mark.parametrize("name", ["Orders", "orders; drop", "1orders", "", 'o"rders', "a" * 64])
def test_a_name_that_would_need_quoting_is_refused(name):
    with pytest.raises(UnsafeName):
        DatabaseEntry(name=name, owner="someone", runtime="someone_else")
