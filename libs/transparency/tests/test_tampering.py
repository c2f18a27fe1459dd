"""Every way of tampering with the audit log is noticed, and every record concerned is named.

The short form tries each way at sampled positions of a log of 1,200 records; the long one
(`make torture`) at every position of a log of 10,000.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import asyncpg
import pytest

from privity_postgres.testing import DatabaseUrls
from privity_transparency.verifier.findings import Fault

from .conftest import RECORDS, WHOLE, restore, verify
from .made_log import MadeLog
from .tampering import ATTACKS, COLUMN_ATTACKS, Attack, Victim

PASSES = 4
"""How many runs share the positions: in each, records that were not touched lie between."""


async def test_an_untouched_log_is_verified(urls: DatabaseUrls, made: MadeLog) -> None:
    report = await verify(urls, made, known=(made.heads[0],))

    assert report.findings == []
    assert report.records == RECORDS
    assert report.checkpoints == 5


@pytest.mark.parametrize(
    "attack", (*ATTACKS, *COLUMN_ATTACKS) if WHOLE else ATTACKS, ids=lambda attack: attack.__name__
)
async def test_each_record_that_was_tampered_with_is_named(
    attack: Attack,
    urls: DatabaseUrls,
    owner: asyncpg.Connection,
    made: MadeLog,
    record_figures: Callable[[str], None],
) -> None:
    chance = random.Random(attack.__name__)
    order = chance.sample(range(RECORDS), RECORDS)
    parts = [order[each::PASSES] for each in range(PASSES)] if WHOLE else [order[:40]]
    tried = 0

    for positions in parts:
        said = await attack(Victim(owner, made, chance), sorted(positions))
        report = await verify(urls, made)
        found = {(each.fault, each.index) for each in report.findings}
        assert found == said
        if said == {(Fault.INSERTED, None)}:
            assert len({each.record_id for each in report.findings}) == len(positions)
        assert all(each.record_id for each in report.findings if each.fault is not Fault.REMOVED)
        tried += len(positions)
        await restore(owner)

    record_figures(f"tampering, {attack.__name__}: {tried} records, {tried} named")
