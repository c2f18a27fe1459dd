"""The runner, with real servers in throw-away folders."""

import os
import platform
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import asyncpg
import pytest

from privity_postgres import PostgresServer, UnusablePlace, binaries, place
from privity_postgres.account import Account

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another account")


@pytest.fixture(scope="module")
def home():
    parent = Path(tempfile.mkdtemp(prefix="privity-runner-"))
    parent.chmod(0o755)
    yield parent / "postgres"
    PostgresServer(parent / "postgres").remove()
    shutil.rmtree(parent)


async def ask(server, question):
    connection = await asyncpg.connect(server.admin_url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def works(program):
    return subprocess.run([program, "--version"], check=False).returncode == 0


def kill_nine(server):
    os.kill(server.process_id, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while server.is_running() and time.monotonic() < deadline:
        time.sleep(0.05)


async def test_data_survives_a_stop_and_a_start(home):
    with PostgresServer(home) as server:
        await ask(server, "CREATE TABLE kept (text text)")
        await ask(server, "INSERT INTO kept VALUES ('still here')")

    with PostgresServer(home) as again:
        assert await ask(again, "SELECT text FROM kept") == "still here"
    assert not PostgresServer(home).is_running()


async def test_a_running_server_is_used_and_not_started_twice(home):
    with PostgresServer(home) as server:
        other = PostgresServer(home)
        other.start()

        assert other.process_id == server.process_id


async def test_a_killed_server_recovers_what_was_committed(home):
    server = PostgresServer(home)
    server.start()
    await ask(server, "CREATE TABLE before_the_crash (text text)")
    kill_nine(server)
    assert (server.data_dir / "postmaster.pid").exists()

    with PostgresServer(home) as again:
        assert await ask(again, "SELECT count(*) FROM before_the_crash") == 0


@pytest.mark.parametrize(
    ("system", "release", "how"),
    [
        ("Linux", "5.8.0", "syncfs"),
        ("Linux", "5.4.0-190-generic", "fsync"),
        ("Darwin", "23.1.0", "fsync"),
    ],
)
async def test_recovery_trusts_a_whole_sync_only_where_it_tells_of_failures(
    home, monkeypatch, system, release, how
):
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "release", lambda: release)

    with PostgresServer(home) as server:
        assert await ask(server, "SHOW recovery_init_sync_method") == how


async def test_writes_are_durable_and_logs_hold_no_values(home):
    with PostgresServer(home) as server:
        for setting, expected in {
            "fsync": "on",
            "full_page_writes": "on",
            "synchronous_commit": "on",
            "data_checksums": "on",
            "listen_addresses": "",
            "password_encryption": "scram-sha-256",
            "server_encoding": "UTF8",
        }.items():
            assert await ask(server, f"SHOW {setting}") == expected
        await ask(server, "CREATE TABLE person (phone text UNIQUE CHECK (phone <> '+441'))")
        await ask(server, "INSERT INTO person VALUES ('+442071838750')")
        for statement in (
            "INSERT INTO person VALUES ('+442071838750')",
            "INSERT INTO person VALUES ('+441')",
        ):
            with pytest.raises(asyncpg.IntegrityConstraintViolationError):
                await ask(server, statement)

        assert "+44" not in server.log_file.read_text()


async def test_a_wrong_password_opens_nothing(home):
    with PostgresServer(home) as server:
        password = server.admin_url.split(":")[2].split("@")[0]
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(server.admin_url.replace(password, "0" * 64))


async def test_only_the_servers_account_can_enter_its_folders(home):
    with PostgresServer(home) as server:
        for folder in (server.home, server.data_dir, server.socket_dir):
            status = folder.stat()
            assert stat.S_IMODE(status.st_mode) == 0o700
            assert status.st_uid != 0


async def test_a_deep_folder_gets_a_socket_that_is_short_enough(home):
    deep = home.parent / ("d" * 60) / ("e" * 60) / "postgres"
    server = PostgresServer(deep)
    try:
        server.start()
        assert len(str(server.socket_dir / place.SOCKET_NAME)) < 100
        assert await ask(server, "SELECT 1") == 1
    finally:
        server.remove()
    assert not server.socket_dir.exists()


def test_a_socket_folder_that_a_stranger_prepared_is_refused(tmp_path):
    trap = tmp_path / "trap"
    trap.symlink_to(tmp_path)

    with pytest.raises(UnusablePlace):
        place.prepare_folder(trap, Account.current())


@as_root
async def test_a_closed_parent_stays_closed_and_the_server_finds_refuge():
    closed = Path(tempfile.mkdtemp(prefix="privity-closed-"))
    (closed / "project").mkdir()
    server = PostgresServer(closed / "project" / "postgres")
    try:
        server.start()

        assert await ask(server, "SELECT 1") == 1
        assert server.home.is_relative_to("/var/lib/privity")
        status = os.stat(closed)
        assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o700, 0)
        assert PostgresServer(closed / "project" / "postgres").process_id == server.process_id
    finally:
        server.remove()
        shutil.rmtree(closed)


@as_root
async def test_programs_that_the_account_cannot_reach_are_copied_once_and_work(monkeypatch):
    closed = Path(tempfile.mkdtemp(prefix="privity-closed-"))
    refuge = Path(tempfile.mkdtemp(prefix="privity-refuge-"))
    wheel = binaries.from_the_wheel()
    shutil.copytree(wheel, closed / binaries.PACKAGE / wheel.name)
    libraries = wheel.parent.with_name(f"{binaries.PACKAGE}.libs")
    if libraries.exists():
        shutil.copytree(libraries, closed / libraries.name)
    monkeypatch.setattr(binaries, "from_the_wheel", lambda: closed / binaries.PACKAGE / wheel.name)
    monkeypatch.setattr(binaries, "REFUGE", refuge)
    server = PostgresServer(closed / "postgres")
    try:
        server.start()

        assert await ask(server, "SELECT 1") == 1
        assert server.bin_dir.is_relative_to(refuge)
        inode = (server.bin_dir / "postgres").stat().st_ino
        again = PostgresServer(closed / "postgres").bin_dir
        assert (again / "postgres").stat().st_ino == inode
        assert len(os.listdir(refuge / "programs")) == 1
        for program in ("initdb", "pg_dump", "psql", "pg_basebackup"):
            assert works(server.bin_dir / program)
    finally:
        server.remove()
        shutil.rmtree(closed)
        shutil.rmtree(refuge)
