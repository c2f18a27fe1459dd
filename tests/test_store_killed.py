"""PostgreSQL killed, failed over and out of space under load: nothing acknowledged is lost.

The same harness shows loss where commits are acknowledged before they are on disk, which the
gateway refuses to work with: here its check is taken out. What is lost then is still in the spool.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import asyncpg
import psutil
import pytest

from privacy_gateway.clients import line
from privacy_gateway.domain.audit.log import StoreUnavailable
from privity_database import migrate
from privity_postgres import DatabaseEntry, PostgresServer, bootstrap, for_driver, for_sqlalchemy
from privity_postgres.bootstrap import Grants
from privity_postgres.testing import DatabaseUrls

from .audit_house import MIGRATIONS, open_house

KILLS = int(os.environ.get("PRIVITY_STORE_KILLS", "2"))  # `make torture` kills 100 times
only_long = pytest.mark.skipif(KILLS < 3, reason="takes a minute: `make torture` runs it")
CALLERS = 16
ENTRY = DatabaseEntry("audit", "audit_owner", "audit", Grants.INSERT_SELECT, ("log",))
PASSWORDS = dict.fromkeys(ENTRY.roles, "p" * 32)


_IN_STEP = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"


class Server:
    """A PostgreSQL of its own, which may be killed."""

    def __init__(self, home):
        self.home = home
        self.runner = PostgresServer(home)

    async def open(self):
        await asyncio.to_thread(self.runner.start)
        await bootstrap(self.runner.admin_url, [ENTRY], passwords=PASSWORDS)
        await migrate(self.urls.owner, MIGRATIONS / "audit")
        return self

    @property
    def urls(self):
        def url(role):
            return for_sqlalchemy(
                self.runner.admin_url, database="audit", user=role, password=PASSWORDS[role]
            )

        admin = for_sqlalchemy(self.runner.admin_url, database="audit")
        return DatabaseUrls(
            "audit", url("audit"), url("audit_owner"), admin, {"log": url("audit_log")}
        )

    async def ask(self, question, *arguments):
        connection = await asyncpg.connect(for_driver(self.urls.admin))
        try:
            return await connection.fetch(question, *arguments)
        finally:
            await connection.close()

    async def stored(self):
        return {row["id"] for row in await self.ask("SELECT id FROM records")}

    def kill(self):
        """All of its processes at one instant: what they had not written is gone."""
        postmaster = psutil.Process(self.runner.process_id)
        family = [postmaster, *postmaster.children(recursive=True)]
        for member in family:
            member.suspend()
        for member in family:
            member.kill()
        psutil.wait_procs(family, timeout=10)


@contextlib.asynccontextmanager
async def a_server(home=None):
    folder = Path(tempfile.mkdtemp(prefix="privity-store-")) if home is None else home
    folder.chmod(0o711)
    server = Server(folder / "server")
    try:
        yield await server.open()
    finally:
        await asyncio.to_thread(server.runner.remove)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def keys(make_database):
    urls = make_database("keys_of_killed")
    await migrate(urls.owner, MIGRATIONS / "keys")
    return urls


@contextlib.asynccontextmanager
async def load(house, log, acknowledged):
    """Callers who record as fast as they can; gives their refusals, by how long they took."""
    stopping, refused = asyncio.Event(), []

    async def caller():
        while not stopping.is_set():
            began = time.monotonic()
            try:
                acknowledged.update(await house.record(log, each=1))
            except StoreUnavailable:
                refused.append(time.monotonic() - began)
                await asyncio.sleep(0.02)

    callers = [asyncio.create_task(caller()) for _ in range(CALLERS)]
    try:
        yield refused
    finally:
        stopping.set()
        await asyncio.gather(*callers)


async def lost_over_kills(server, house, kills, *, figures):
    """How many were acknowledged and are not there, before the spool gives them back and after."""
    acknowledged, missing = set(), 0
    for _ in range(kills):
        log = await house.gateway(deadline=1.2, follows=False)
        async with load(house, log, acknowledged):
            await asyncio.sleep(0.4)
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(0.1)
        await log.close()
        began = time.monotonic()
        await asyncio.to_thread(server.runner.start)
        figures.append(time.monotonic() - began)
        missing += len(acknowledged - await server.stored())
        await (await house.gateway(follows=False)).close()
    return len(acknowledged), missing, len(acknowledged - await server.stored())


async def test_killed_at_any_instant_it_has_all_that_was_acknowledged(keys):
    figures = []
    async with (
        a_server() as server,
        open_house(server.urls, keys) as house,
        house.sequencer() as sequencer,
    ):
        count, missing, _ = await lost_over_kills(server, house, KILLS, figures=figures)
        await house.reconnect()
        total = len(await server.stored())
        await house.until_signed(total, seconds=60)
        assert sequencer.halted is None

    print(f"{KILLS} kills: {count} acknowledged, {missing} missing, slowest {max(figures):.1f} s")  # noqa: T201
    assert count > 50 * KILLS
    assert missing == 0


async def test_the_harness_sees_loss_where_commits_are_not_on_disk(keys, monkeypatch):
    monkeypatch.setattr(line, "DURABLE", frozenset({"on", "off"}))
    async with a_server() as server, open_house(server.urls, keys) as house:
        await server.ask("ALTER ROLE audit SET synchronous_commit = off")

        count, missing, after = await lost_over_kills(server, house, min(KILLS, 5), figures=[])

    print(f"synchronous_commit=off: {count} acknowledged, {missing} missing, {after} at last")  # noqa: T201
    assert missing > 0
    # Even then: what a process had acknowledged it had in its spool.
    assert after == 0


@contextlib.asynccontextmanager
async def a_standby(server):
    """Takes part in every commit of the server from here on."""
    runner = server.runner
    with (runner.data_dir / "pg_hba.conf").open("a") as access:
        access.write("local replication all scram-sha-256\n")
    await server.ask("SELECT pg_reload_conf()")
    home = server.home.parent / "standby"
    standby = Server(home)
    copying = [
        str(runner.bin_dir / "pg_basebackup"),
        f"--dbname={for_driver(runner.admin_url)}&application_name=standby",
        f"--pgdata={home / 'data'}",
        "--write-recovery-conf",
        "--checkpoint=fast",
    ]
    home.mkdir(mode=0o700)
    shutil.chown(home, runner.account_name)
    copied = await asyncio.to_thread(
        subprocess.run, copying, capture_output=True, user=runner.account_name, check=False,
        cwd="/",
    )  # fmt: skip
    assert copied.returncode == 0, copied.stderr
    shutil.copy2(runner.home / "admin.password", home / "admin.password")
    await asyncio.to_thread(standby.runner.start)
    await server.ask("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
    await server.ask("SELECT pg_reload_conf()")
    async with asyncio.timeout(20):
        while not await server.ask(_IN_STEP):  # noqa: ASYNC110  # the server tells nobody
            await asyncio.sleep(0.1)
    try:
        yield standby
    finally:
        await asyncio.to_thread(standby.runner.remove)


@only_long
async def test_a_synchronous_standby_takes_over_with_all_that_was_acknowledged(keys):
    acknowledged = set()
    async with (
        a_server() as server,
        open_house(server.urls, keys) as house,
        a_standby(server) as standby,
    ):
        log = await house.gateway(deadline=1.2)
        async with load(house, log, acknowledged) as refused:
            await asyncio.sleep(1)
            # Without its standby nothing is acknowledged, and nobody waits for ever.
            before = len(acknowledged)
            await asyncio.to_thread(standby.kill)
            await asyncio.sleep(2)
            assert refused
            assert len(acknowledged) <= before + 2 * CALLERS
            await asyncio.to_thread(standby.runner.start)
            await asyncio.sleep(2)
            assert len(acknowledged) > before
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(0.2)
            at_last = len(acknowledged)
            await asyncio.sleep(0.5)
            assert len(acknowledged) == at_last
        await log.close()
        await standby.ask("SELECT pg_promote()")

        stored = await standby.stored()
        print(f"failover: {at_last} acknowledged, {len(acknowledged - stored)} missing")  # noqa: T201
        assert acknowledged
        assert not acknowledged - stored


def can_mount():
    with tempfile.TemporaryDirectory() as folder:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder],
            capture_output=True,
            check=False,
        )
        if mounted.returncode == 0:
            subprocess.run(["umount", folder], check=True)
        return mounted.returncode == 0


@only_long
@pytest.mark.parametrize("volume", ["data", "wal"])
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small file system")
async def test_out_of_space_callers_are_refused_and_nothing_acknowledged_is_lost(keys, volume):
    if not await asyncio.to_thread(can_mount):
        pytest.skip("no file system can be mounted here")
    acknowledged = set()
    async with a_server() as server, open_house(server.urls, keys) as house:
        await asyncio.to_thread(server.runner.stop)
        small = server.runner.data_dir / ("base" if volume == "data" else "pg_wal")
        on_a_small_disk(small, server.runner.account_name)
        try:
            await asyncio.to_thread(server.runner.start)
            await house.reconnect()
            log = await house.gateway(deadline=1.2)
            async with load(house, log, acknowledged) as refused:
                await asyncio.sleep(0.5)
                filler = small / "filler"
                fill(filler)
                async with asyncio.timeout(60):
                    while not refused:  # noqa: ASYNC110  # what is left over has to be used up
                        await asyncio.sleep(0.05)
                before = len(acknowledged)
                filler.unlink()
                # A server that has no room for its log ends; whoever runs it starts it again.
                await asyncio.sleep(1)
                await asyncio.to_thread(server.runner.start)
                async with asyncio.timeout(60):
                    while len(acknowledged) < before + 20:  # noqa: ASYNC110  # as above
                        await asyncio.sleep(0.05)
            stored = await server.stored()
            print(f"{volume} full: {len(acknowledged)} acknowledged, {len(refused)} refused")  # noqa: T201
            assert not acknowledged - stored
        finally:
            await log.close()
            await asyncio.to_thread(server.runner.stop)
            await asyncio.to_thread(subprocess.run, ["umount", "--lazy", small], check=True)


def on_a_small_disk(folder, account):
    content = folder.with_name(folder.name + ".content")
    folder.rename(content)
    folder.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "none", folder], check=True)
    shutil.copytree(content, folder, dirs_exist_ok=True)
    subprocess.run(["chown", "-R", f"{account}:", folder], check=True)
    folder.chmod(0o700)


def fill(filler):
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(1 << 16)):
            pass
