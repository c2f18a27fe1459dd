"""A new policy file counts without a restart, is on record, and a broken one changes nothing."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from privacy_gateway.domain.audit.filters import Filters
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.audit.query import Records
from privacy_gateway.domain.policy.in_force import PolicyInForce
from privacy_gateway.domain.policy.succession import Succession
from privity_rest import Unavailable

Write = Callable[..., Path]


def today(revision: int = 0) -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}.{revision}"


@pytest.fixture
def policies(folder: Path, write: Write) -> PolicyInForce:
    write("2026-01-01")
    return PolicyInForce(folder)


@pytest.fixture
async def recorded(audit_database, vault):
    """The reasons and versions that were recorded since the test began, oldest first."""
    records, since = Records(audit_database.runtime, vault), datetime.now(UTC)

    async def look() -> list[tuple[str, str, str]]:
        page = await records.search(Filters(kind="policy", since=since), now=datetime.now(UTC))
        return [(leaf["reason"], leaf["policy"], leaf["decision"]) for leaf in page.leaves[::-1]]

    yield look
    records.close()


async def until(condition: Callable[[], bool], *, within: float = 8) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110  # nothing announces it
            await asyncio.sleep(0.02)


async def test_what_is_in_force_at_the_start_is_on_record(policies, log, recorded) -> None:
    async with Succession(policies, audit=log).following():
        assert ("policy_in_force", "2026-01-01", "allow") in await recorded()


async def test_a_new_file_counts_without_a_restart(policies, log, write, recorded) -> None:
    async with Succession(policies, audit=log, poll_seconds=0.05).following():
        write(today(1), begins=datetime.now(UTC))

        await until(lambda: policies.current.version == today(1))

    found = [entry for entry in await recorded() if entry[1] == today(1)]
    assert found == [("policy_read", today(1), "allow"), ("policy_in_force", today(1), "allow")]


async def test_a_signal_reads_at_once(policies, log, write) -> None:
    async with Succession(policies, audit=log, poll_seconds=60).following():
        write(today(2), begins=datetime.now(UTC))

        os.kill(os.getpid(), signal.SIGHUP)

        await until(lambda: policies.current.version == today(2))


async def test_a_broken_file_changes_nothing_and_is_reported_once(
    policies, log, folder, recorded
) -> None:
    async with Succession(policies, audit=log, poll_seconds=0.05).following():
        (folder / "2026-02-02.yaml").write_text("version: 2026-02-02\n")

        await until(lambda: policies.refused == 1)
        await asyncio.sleep(0.3)

    assert policies.refused == 1
    assert policies.current.version == "2026-01-01"
    assert ("policy_refused", "2026-01-01", "refuse") in await recorded()


async def test_a_mended_file_is_taken_after_all(policies, log, folder, write) -> None:
    async with Succession(policies, audit=log, poll_seconds=0.05).following():
        path = folder / f"{today(3)}.yaml"
        path.write_text("version: ]")
        await until(lambda: policies.refused == 1)

        write(today(3), begins=datetime.now(UTC))

        await until(lambda: policies.current.version == today(3))


async def test_every_process_follows_the_folder_by_itself(policies, log, folder, write) -> None:
    other = PolicyInForce(folder)

    async with contextlib.AsyncExitStack() as running:
        for each in (policies, other):
            succession = Succession(each, audit=log, poll_seconds=0.05)
            await running.enter_async_context(succession.following())
        write(today(4), begins=datetime.now(UTC))

        await until(lambda: {p.current.version for p in (policies, other)} == {today(4)})


async def test_what_cannot_be_recorded_does_not_count(
    policies, audit_database, vault, write, new_chain
) -> None:
    closed = AuditLog(audit_database.runtime, vault, new_chain())
    succession = Succession(policies, audit=closed)
    write(today(5), begins=datetime.now(UTC))

    with pytest.raises(Unavailable):
        await succession.read_again()

    assert policies.current.version == "2026-01-01"


async def test_without_a_record_of_the_policy_nothing_starts(
    policies, audit_database, vault, new_chain
) -> None:
    closed = AuditLog(audit_database.runtime, vault, new_chain())

    with pytest.raises(Unavailable):
        async with Succession(policies, audit=closed).following():
            pass


def odd_or_even(revision: int):
    """Two cells that change together: with one of the one and one of the other, it was a mix."""

    def change(file):
        even = revision % 2 == 0
        for purpose, ways in (("enquiries", ("mask", "reveal")), ("feedback", ("reveal", "mask"))):
            said = file["rules"][purpose]["support_1"]
            for way in ways:
                said[way] = [name for name in said.get(way, []) if name != "user.name"]
            said[ways[even]].append("user.name")
        file["rules"]["feedback"]["support_2"] = file["rules"]["feedback"]["support_1"]

    return change


async def test_who_decides_meanwhile_decides_by_one_whole_version(
    policies, log, folder, write, record_figures
) -> None:
    """New versions, written piece by piece, and broken ones between them, under load."""
    decided, mixed, done = 0, [], asyncio.Event()

    async def deciding() -> None:
        nonlocal decided
        while not done.is_set():
            policy = policies.current
            cells = tuple(
                policy.table("support_1", purpose)["user.name"].value
                for purpose in ("enquiries", "feedback")
            )
            even = int(policy.version.partition(".")[2] or 0) % 2 == 0
            wanted = ("reveal", "mask") if even else ("mask", "reveal")
            if policy.version != "2026-01-01" and cells != wanted:
                mixed.append((policy.version, cells))
            decided += 1
            await asyncio.sleep(0)

    async with Succession(policies, audit=log, poll_seconds=0.05).following():
        load = [asyncio.create_task(deciding()) for _ in range(8)]
        for revision in range(11, 14):
            broken = folder / f"{today(revision)}.broken.yaml"
            broken.write_text("version: ]")
            refused, before = policies.refused, policies.current.version
            await until(lambda: policies.refused > refused)  # noqa: B023  # awaited here
            path = write(today(revision), odd_or_even(revision), begins=datetime.now(UTC))
            whole = path.read_text()
            for end in (len(whole) // 2, len(whole) - 40, len(whole)):
                path.write_text(whole[:end])
                await asyncio.sleep(0.02)
            assert policies.current.version == before  # one broken file holds all of them up
            broken.unlink()
            await until(lambda: policies.current.version == today(revision))  # noqa: B023
        done.set()
        await asyncio.gather(*load)

    assert mixed == []
    assert decided > 1000
    record_figures(
        f"policy: 3 versions and 3 broken files read while {decided} decisions were made"
    )
