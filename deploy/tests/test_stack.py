"""The stack as a library, with a real database and real processes."""

import asyncio
import json
import os
import signal
import socket
import stat
import tempfile
import time
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest

from privity_deploy.ports import PortRefused
from privity_deploy.presence import AlreadyRunning, running_stack
from privity_deploy.stack import Stack, lent_stack
from privity_deploy.startup import StartFailed
from privity_postgres import for_driver


@pytest.fixture(scope="module")
def root(write_tables):
    with tempfile.TemporaryDirectory(prefix="privity-shop-") as folder:
        write_tables(Path(folder))
        yield Path(folder)


@pytest.fixture(scope="module")
def stack(root):
    lines = []
    with pytest.MonkeyPatch.context() as shell:
        shell.setenv("SOMEONES_TOKEN", "s3cret")
        with lent_stack(root, report=lines.append) as stack:
            stack.lines = lines
            yield stack


def about(stack, name):
    if stack.places.tables.process(name).socket:
        transport = httpx.HTTPTransport(uds=str(stack.places.socket(name)))
        with httpx.Client(transport=transport, base_url="http://service") as client:
            return client.get("/about").json()
    return httpx.get(stack.places.url_of(name) + "/about").json()


def nothing_left_of(stack):
    return not (stack.places.data_dir.exists() or stack.places.sockets_dir.exists())


async def ask(url, question):
    connection = await asyncpg.connect(for_driver(url))
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def test_a_process_starts_only_when_what_it_waits_for_is_healthy(stack):
    slow_for = 0.8

    assert [line.split()[0] for line in stack.lines] == ["postgres", "shelf", "privacy-gateway"]
    began = {name: about(stack, name)["began"] for name in ("shelf", "privacy-gateway")}
    assert began["privacy-gateway"] > began["shelf"] + slow_for


def test_a_process_is_told_what_the_table_says_and_nothing_of_our_shell(stack):
    told = about(stack, "privacy-gateway")["env"]

    assert told["SHELF_URL"] == stack.url
    assert json.loads(told["SERVICES"]) == {
        "shelf": {
            "socket": str(stack.places.socket("shelf")),
            "key_file": str(stack.secrets.path("to_shelf")),
        }
    }
    assert not {"SOMEONES_TOKEN", "DATABASE_URL"} & told.keys()


async def test_each_role_reaches_its_database_with_its_grants(stack):
    told = await asyncio.to_thread(about, stack, "shelf")
    await ask(told["env"]["MIGRATION"], "CREATE TABLE book (id int)")

    await ask(told["env"]["DATABASE"], "INSERT INTO book VALUES (1)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await ask(told["env"]["DATABASE"], "DELETE FROM book")


def test_sockets_and_logs_are_closed_to_other_accounts(stack):
    for folder in (stack.places.sockets_dir, stack.logs_dir, stack.secrets.folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_killed_process_can_be_started_again_at_its_address(stack):
    before = about(stack, "shelf")["pid"]

    stack.kill("shelf", signal.SIGKILL)
    assert [child.name for child in stack.ended()] == ["shelf"]
    assert "SIGKILL" in stack.ended()[0].how_it_ended
    stack.restart("shelf")

    assert about(stack, "shelf")["pid"] not in {before, None}
    assert stack.ended() == []


def test_a_stopped_process_is_no_obstacle_to_a_restart(stack):
    stack.kill("shelf", signal.SIGSTOP)
    began = time.monotonic()
    stack.restart("shelf")

    assert about(stack, "shelf")["pid"] == stack.process_id("shelf")
    assert time.monotonic() - began < 8


def test_garbage_is_collected_but_for_what_was_imported(stack):
    garbage = about(stack, "shelf")["garbage"]

    assert garbage["is_collected"]
    assert garbage["never"] > 10_000


@pytest.mark.skipif("DATABASE_URL" in os.environ, reason="that server is not ours to kill")
async def test_the_database_can_be_killed_and_comes_back_with_its_data(stack):
    url = stack.places.owner_url("shelf")
    await ask(url, "CREATE TABLE kept AS SELECT 7 AS number")

    await asyncio.to_thread(stack.kill, "postgres")
    with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        await ask(url, "SELECT 1")
    await asyncio.to_thread(stack.restart, "postgres")

    assert await ask(url, "SELECT number FROM kept") == 7


@pytest.mark.skipif("DATABASE_URL" in os.environ, reason="that server is not ours to stop")
async def test_the_database_can_be_frozen_and_thawed(stack):
    url = stack.places.owner_url("shelf")
    connection = await asyncpg.connect(for_driver(url))

    await asyncio.to_thread(stack.kill, "postgres", signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        await connection.fetchval("SELECT 1", timeout=0.3)
    await asyncio.to_thread(stack.kill, "postgres", signal.SIGCONT)
    await connection.close(timeout=5)

    assert await ask(url, "SELECT 1") == 1


def test_those_who_come_later_find_the_running_stack(stack):
    found = running_stack(stack.places.data_dir)

    assert found is not None
    assert (found.url, found.process_id) == (stack.url, os.getpid())
    assert Path(found.sockets["shelf"]).is_socket()
    with pytest.raises(AlreadyRunning, match=stack.url):
        Stack(stack.places.root, data_dir=stack.places.data_dir, free_ports=True).start()
    assert httpx.get(stack.url + "/healthz").status_code == 200


async def test_stacks_run_side_by_side_share_nothing_and_leave_nothing(stack, root):
    await ask(stack.places.owner_url("shelf"), "CREATE TABLE mine (id int)")

    with lent_stack(root) as other:
        assert other.url != stack.url
        owner = other.places.owner_url("shelf")
        assert await ask(owner, "SELECT to_regclass('mine')") is None
        assert other.secrets.read("to_shelf") != stack.secrets.read("to_shelf")
    assert nothing_left_of(other)


async def test_a_second_run_finds_data_and_secrets_as_they_were(a_root):
    async with Stack(a_root, free_ports=True) as first:
        await ask(first.places.owner_url("shelf"), "CREATE TABLE kept AS SELECT 7 AS number")
        secret = first.secrets.read("to_shelf")
        pids = [first.process_id(name) for name in ("shelf", "privacy-gateway")]
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert running_stack(first.places.data_dir) is None

    async with Stack(a_root, free_ports=True) as second:
        assert await ask(second.places.owner_url("shelf"), "SELECT number FROM kept") == 7
        assert second.secrets.read("to_shelf") == secret
        assert "ended" in second.places.log("shelf").with_suffix(".previous.log").read_text()


def test_a_process_that_fails_to_start_says_why_and_nothing_stays_behind(
    a_root, write_tables, small_processes
):
    broken = small_processes.replace('"small:app", "--port"', '"absent:app", "--port"')
    write_tables(a_root, broken)
    stack = Stack(a_root, free_ports=True)

    with pytest.raises(StartFailed, match=r"(?s)privacy-gateway ended with exit code .*absent"):
        stack.start()

    assert stack.process_id("shelf") is None
    assert not stack.owns_postgres or not stack.postgres.is_running()
    assert running_stack(stack.places.data_dir) is None


@pytest.mark.parametrize("port", ["0", "65536", "http", ""])
def test_a_port_that_is_none_is_refused_with_its_variable(a_root, port):
    with pytest.raises(PortRefused, match="PRIVITY_PORT"):
        Stack(a_root, environ={**os.environ, "PRIVITY_PORT": port}).start()


def test_a_port_that_is_taken_is_refused_before_anything_starts(a_root):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        stack = Stack(a_root, environ={**os.environ, "PRIVITY_PORT": str(number)})

        with pytest.raises(PortRefused, match=rf"{number}.*privacy-gateway.*PRIVITY_PORT"):
            stack.start()

    assert not (stack.places.data_dir / "postgres").exists()


def test_a_deep_folder_gets_sockets_whose_paths_are_short_enough(root):
    from privity_deploy.places import Places

    deep = root / ("d" * 60) / ("e" * 60)
    tables = Stack(root, free_ports=True).places.tables
    places = Places(tables, root=root, data_dir=deep)

    assert len(str(places.socket("shelf"))) < 100
    assert not places.sockets_dir.is_relative_to(deep)
