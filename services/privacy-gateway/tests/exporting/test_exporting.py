"""Exports that an outsider checks: whole ones and selections, in every form, after any kill."""

import asyncio
import csv
import io
import tarfile
from datetime import UTC, datetime, timedelta

import orjson
import pyarrow.parquet as pq
import pytest

from privacy_gateway.domain.audit.filters import Filters
from privacy_gateway.domain.exporting import files, orders
from privacy_gateway.domain.exporting.making import Making
from privacy_gateway.domain.vault.key_cache import Place
from privity_contracts import ids
from privity_jobs import Worker
from privity_transparency.verifier.export import verify_export


@pytest.fixture
def unpacked(database, state_of, tmp_path):
    async def unpack(export_id):
        export = await state_of(export_id)
        content = b"".join([part async for part in files.archive(database, export)])
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive:
                path = tmp_path / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.extractfile(member).read())
        return tmp_path / export_id

    return unpack


@pytest.fixture
def many(log, reading, customer):
    """So many records, of two customers in turn."""
    other = ids.mint("cus")

    async def make(count):
        accesses = [
            reading(subject=one, scope=f"account/{one}", resource=one)
            for one in (customer, other) * (count // 2)
        ]
        for begin in range(0, count, 100):
            await log.record(accesses[begin : begin + 100])

    return make


def leaves_in(folder):
    lines = (folder / "records.ndjson").read_bytes().splitlines()
    return [orjson.loads(orjson.loads(line)["leaf"]) for line in lines]


async def test_the_whole_log_verifies_offline(many, signed_log, ordered, worked, unpacked):
    await many(600)
    size = await signed_log.sign()

    export = await worked(await ordered(), stretch=250)

    folder = await unpacked(export.id)
    report = verify_export(folder, signed_log.trust, workers=1)
    assert report.clean, report
    assert len(leaves_in(folder)) == export.records == size == 600
    said = orjson.loads((folder / "manifest.json").read_bytes())
    assert (said["first"], said["end"]) == (0, 600)


async def test_a_selection_verifies_and_holds_what_was_asked_for(
    many, signed_log, ordered, worked, unpacked, customer
):
    await many(300)
    await signed_log.sign()

    export = await worked(await ordered(subject=customer, kind="read"))

    folder = await unpacked(export.id)
    assert verify_export(folder, signed_log.trust, workers=1).clean
    found = leaves_in(folder)
    assert len(found) == 150
    assert len({leaf["subject"] for leaf in found}) == 1


@pytest.mark.parametrize("form", ["csv", "parquet", "ocsf"])
async def test_each_form_says_what_the_leaves_say(
    log, reading, signed_log, ordered, worked, unpacked, form
):
    await log.record([reading(), reading(kind="search", decision="refuse", reason="not_yours")])
    await log.record([reading(kind="disclosure", recipient="rcp_0000000000000000000000000a")])
    await signed_log.sign()

    export = await worked(await ordered(form), stretch=2)

    folder = await unpacked(export.id)
    assert verify_export(folder, signed_log.trust, workers=1).clean
    leaves = leaves_in(folder)
    if form == "csv":
        with (folder / "records.csv").open(newline="") as content:
            rows = list(csv.DictReader(content))
        assert [int(row["index"]) for row in rows] == [0, 1, 2]
    elif form == "parquet":
        parts = sorted(folder.glob("records-*.parquet"))
        rows = [row for part in parts for row in pq.read_table(part).to_pylist()]
        assert len(parts) == 2
        assert [orjson.loads(row["leaf"]) for row in rows] == leaves
    else:
        events = [orjson.loads(line) for line in (folder / "ocsf.ndjson").read_bytes().splitlines()]
        rows = [
            {"id": e["metadata"]["uid"], "actor": e["actor"]["user"]["uid"], **e["unmapped"]}
            for e in events
        ]
        assert {(e["class_uid"], e["category_uid"]) for e in events} == {(6005, 6)}
        assert [e["activity_id"] for e in events] == [1, 4, 99]
        assert [e["type_uid"] for e in events] == [600501, 600504, 600599]
        assert [e["status"] for e in events] == ["Success", "Failure", "Success"]
    for name in ("id", "kind", "actor", "subject", "purpose"):
        assert [row[name] for row in rows] == [leaf[name] for leaf in leaves]


class Dying(Making):
    """Is killed at the so-many-th write."""

    def __init__(self, *arguments, at, **changes):
        super().__init__(*arguments, **changes)
        self.left = at
        self.dead = asyncio.Event()

    async def _written(self, *arguments):
        await super()._written(*arguments)
        self.left -= 1
        if self.left <= 0:
            self.dead.set()
            raise asyncio.CancelledError  # rolls back what was not committed


async def test_an_export_goes_on_where_a_killed_process_left_it(
    many, signed_log, ordered, worked, unpacked, database, records, vault, state_of
):
    await many(500)
    await signed_log.sign()
    export_id = await ordered("csv")
    for at in (1, 2, 1, 2):
        dying = Dying(database, records, vault, stretch=60, at=at)
        async with Worker(database.engine, dying.handlers(), poll=0.02, lease=1.0):
            async with asyncio.timeout(10):
                await dying.dead.wait()
    assert (await state_of(export_id)).state == "running"

    export = await worked(export_id, stretch=60)

    folder = await unpacked(export.id)
    assert verify_export(folder, signed_log.trust, workers=1).clean
    assert export.records == len(leaves_in(folder)) == 500
    with (folder / "records.csv").open(newline="") as content:
        assert [int(row["index"]) for row in csv.DictReader(content)] == list(range(500))


async def test_a_planted_change_in_an_export_is_found(many, signed_log, ordered, worked, unpacked):
    await many(20)
    await signed_log.sign()
    export = await worked(await ordered("csv"))
    folder = await unpacked(export.id)
    listed = folder / "records.csv"
    listed.write_bytes(listed.read_bytes().replace(b"enquiries", b"warehousing", 1))

    assert not verify_export(folder, signed_log.trust, workers=1).clean


async def test_without_a_checkpoint_it_waits(many, signed_log, ordered, worked, state_of):
    await many(2)
    export_id = await ordered()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await worked(export_id)
    assert (await state_of(export_id)).state == "queued"

    await signed_log.sign()

    assert (await worked(export_id)).records == 2


async def test_after_a_week_nothing_of_it_is_left(
    many, signed_log, ordered, worked, database, records, vault, customer
):
    await many(4)
    await signed_log.sign()
    long_ago = datetime.now(UTC) - orders.KEPT - timedelta(seconds=1)
    making = Making(database, records, vault, clock=lambda: long_ago)

    export = await worked(await ordered(subject=customer), "expired", making=making)

    assert export.filters == {}
    async with database.transaction() as tx:
        assert await files.sizes(tx, export.id) == []
    with pytest.raises(orders.Expired):
        orders.require_ready(export, now=datetime.now(UTC))


async def test_records_of_somebody_who_was_erased_verify_and_point_at_nobody(
    many, signed_log, ordered, worked, unpacked, destroy, vault, records, customer
):
    await many(40)
    await signed_log.sign()
    tag = await vault.tag(customer, f"{datetime.now(UTC):%Y-%m}", customer)
    await destroy(Place(customer, f"account/{customer}", "audit_tag"), now=datetime.now(UTC))

    whole = await worked(await ordered())
    theirs = await worked(await ordered(subject=customer))

    folder = await unpacked(whole.id)
    assert verify_export(folder, signed_log.trust, workers=1).clean
    assert sum(leaf["subject"] == tag for leaf in leaves_in(folder)) == 20
    assert customer not in (folder / "records.ndjson").read_text()
    assert theirs.records == 0
    page = await records.search(Filters(subject=customer), now=datetime.now(UTC))
    assert page.leaves == []
