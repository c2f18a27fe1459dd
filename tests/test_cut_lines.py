"""Connections that end in the middle of an answer: whoever asked the database asks it again.

The gateway asks whether what it sent is there, and acknowledges nothing that is not. The sequencer
goes on where the log ends, and takes nothing of this for a log that does not verify.
"""

import asyncio
import contextlib
import dataclasses
import os
import time

import asyncpg
import pytest

from audit_log.domain.sequencing import log as sequenced_log
from audit_log.domain.sequencing import sequencer as sequencing
from privacy_gateway.domain.audit.log import StoreUnavailable

from .audit_house import fresh, open_house
from .cut_lines import cut_lines

CUTS = int(os.environ.get("PRIVITY_CUTS", "25"))  # `make torture` cuts 500 times


@pytest.fixture(scope="module")
async def databases(make_database):
    return await fresh(make_database)


@contextlib.asynccontextmanager
async def house_behind(databases, *, role):
    """A house whose gateways or sequencers reach the database by lines that are cut."""
    audit, keys = databases
    url = audit.runtime if role == "gateway" else audit.apart["log"]
    # Long enough for a few batches, so that there is progress between the cuts.
    longest = 5_000 if role == "gateway" else 60_000
    async with open_house(audit, keys) as house, cut_lines(url, longest=longest) as lines:
        by_way = lines.url(url)
        changed = {"runtime": by_way} if role == "gateway" else {"apart": {"log": by_way}}
        yield house, lines, dataclasses.replace(audit, **changed)


async def until_cut(house, log, sequencer, lines):
    """Records all the while; the log's size afterwards."""
    end = time.monotonic() + 5 * CUTS
    while lines.cuts + lines.farewells < CUTS and sequencer.halted is None:
        assert time.monotonic() < end
        await house.record(log, 2, each=4)
        await asyncio.sleep(0.01)
    lines.mended = True
    return await house.owner.fetchval("SELECT count(*) FROM records")


async def test_the_sequencer_goes_on_after_every_cut(databases, monkeypatch):
    monkeypatch.setattr(sequencing, "_PAUSE", 0.01)
    async with house_behind(databases, role="sequencer") as (house, lines, cut):
        log = await house.gateway()
        house.audit = cut
        async with house.sequencer() as sequencer:
            size = await until_cut(house, log, sequencer, lines)

            assert sequencer.halted is None
            assert (await house.until_signed(size, seconds=60)).size >= size
    print(f"{lines.cuts} cuts in mid-answer, {lines.farewells} between: {size} records in the log")  # noqa: T201
    assert lines.cuts
    assert lines.farewells


async def test_a_sequencer_that_took_a_cut_for_a_bug_would_halt(databases, monkeypatch):
    """The fault planted: what the driver says of a line that ended between two questions."""
    monkeypatch.setattr(sequencing, "_PAUSE", 0.01)
    kept = tuple(each for each in sequenced_log.FAILURES if each is not asyncpg.InternalClientError)
    monkeypatch.setattr(sequenced_log, "FAILURES", kept)
    async with house_behind(databases, role="sequencer") as (house, lines, cut):
        log = await house.gateway()
        house.audit = cut
        async with house.sequencer() as sequencer:
            await until_cut(house, log, sequencer, lines)

            assert sequencer.halted == "a bug: InternalClientError"


async def test_a_gateway_acknowledges_nothing_that_a_cut_swallowed(databases):
    acknowledged, refused = set(), 0
    async with house_behind(databases, role="gateway") as (house, lines, cut):
        house.audit, lines.mended = cut, True
        log = await house.gateway(deadline=1.2, follows=False)
        lines.mended = False
        end = time.monotonic() + 5 * CUTS
        while lines.cuts + lines.farewells < CUTS:
            assert time.monotonic() < end
            try:
                acknowledged.update(await house.record(log, each=4))
            except StoreUnavailable:
                refused += 1
                await asyncio.sleep(0.02)
        lines.mended = True
        stored = {row["id"] for row in await house.owner.fetch("SELECT id FROM records")}

    print(f"{len(acknowledged)} acknowledged, {refused} refused over {CUTS} cuts")  # noqa: T201
    assert acknowledged
    assert refused
    assert acknowledged <= stored
