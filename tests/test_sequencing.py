"""Batches become one log: verified, in one order for good, signed and cosigned."""

import asyncio
import contextlib

import asyncpg
import pytest

from privacy_gateway.clients.line import for_driver
from privacy_gateway.domain.audit.log import LogBehind
from privacy_gateway.domain.audit.published import NotPublishedYet, PublishedLog
from privity_transparency import merkle
from privity_transparency.checkpoint import Checkpoint
from privity_transparency.note import Note
from privity_transparency.proof import Bundle, verify_bundle
from privity_transparency.tiles import parse_bundle

from .audit_house import fresh, open_house


@pytest.fixture(scope="module")
async def databases(make_database):
    return await fresh(make_database)


@pytest.fixture
async def house(databases):
    audit, keys = databases
    async with open_house(audit, keys) as opened:
        await opened.restore(
            dict.fromkeys(
                (
                    "records",
                    "openings",
                    "processes",
                    "batches",
                    "log_batches",
                    "tiles",
                    "checkpoints",
                )
            )
        )
        await opened.owner.execute("UPDATE sequencing SET holder = NULL, until = NULL")
        yield opened


async def until(true, *, seconds=15):
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  # what is waited for tells nobody
            await asyncio.sleep(0.02)


async def test_what_several_processes_record_is_one_log_that_is_signed_and_witnessed(house):
    logs = [await house.gateway(), await house.gateway()]
    async with house.sequencer() as sequencer:
        await asyncio.gather(*(house.record(log, 20, each=8) for log in logs))
        checkpoint = await house.until_signed(320)

        assert checkpoint.size == 320
        assert sequencer.is_well
        assert sequencer.state == "sequencing"
    assert len(set(await house.leaves())) == 320


async def test_another_identity_takes_over_while_processes_of_the_old_one_record(house):
    """Its public half stands below the old one's before anything is signed with it."""
    old = await house.gateway()
    house.secrets.ensure("next.pem", "ed25519")
    public = house.secrets.path("identity.pub")
    public.write_bytes(public.read_bytes() + house.secrets.path("next.pub").read_bytes())

    async with house.sequencer() as sequencer:
        new = await house.gateway(identity="next")
        await asyncio.gather(*(house.record(log, 5, each=2) for log in (old, new)))
        await house.until_signed(20)

        assert sequencer.is_well


async def test_a_sequencer_that_starts_again_goes_on_where_the_log_ended(house):
    log = await house.gateway()
    for turn in range(1, 4):
        async with house.sequencer():
            await house.record(log, 100, each=3)
            await house.until_signed(300 * turn)

    sizes = await house.owner.fetch("SELECT level, number, length(hashes) AS l FROM tiles")
    assert {(r["level"], r["number"]): r["l"] // 32 for r in sizes} == {
        (0, 0): 256, (0, 1): 256, (0, 2): 256, (0, 3): 132, (1, 0): 3,
    }  # fmt: skip


async def test_the_second_takes_over_when_the_first_is_gone(house):
    log = await house.gateway()
    async with contextlib.AsyncExitStack() as first_life:
        first = await first_life.enter_async_context(house.sequencer("first"))
        await until(lambda: first.state == "sequencing")
        async with house.sequencer("second") as second:
            await house.record(log)
            await house.until_signed(2)
            await until(lambda: second.state == "standing_by" and second.is_well)
            await first_life.aclose()
            await house.record(log)
            await house.until_signed(4)

            assert second.state == "sequencing"


async def test_two_at_once_never_make_two_logs(house):
    log = await house.gateway()
    async with house.sequencer("a", order="a"), house.sequencer("b", order="b"):
        for _ in range(10):
            await house.record(log, 5)
            # The lease ends under whoever holds it.
            await house.owner.execute("UPDATE sequencing SET until = now() - interval '1 s'")
        await house.until_signed(100)

    assert await house.owner.fetchval("SELECT sum(records) FROM log_batches") == 100


FAULTS = {
    "a leaf was changed": (
        "UPDATE records SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'), 'delivery',"
        " 'deliverz'), 'UTF8') WHERE batch = 1 AND position = 1",
        "record",
    ),
    "a column says something else": (
        "UPDATE records SET purpose = 'other' WHERE batch = 1 AND position = 1",
        "purpose",
    ),
    "a record was removed": ("DELETE FROM records WHERE batch = 1 AND position = 1", "missing"),
    "records changed places": (
        "UPDATE records SET position = 1 - position WHERE batch = 1",
        "not those that were signed",
    ),
    "a record was added": (
        "INSERT INTO records SELECT 'rec_more', recorded_at, leaf, kind, decision, purpose, role,"
        " subject_tag, actor_tag, categories, process_id, batch, 2 FROM records"
        " WHERE batch = 1 AND position = 1",
        "rec_more",
    ),
    "a batch was removed": (
        "DELETE FROM batches WHERE number = 1; DELETE FROM records WHERE batch = 1",
        "batch 1 of",
    ),
    "a signature was changed": (
        "UPDATE batches SET signature = set_byte(signature, 5, 255 - get_byte(signature, 5))"
        " WHERE number = 1",
        "signature",
    ),
    "a process made itself": ("UPDATE processes SET certificate = public_key", "certificate"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_does_not_verify_halts_it_by_name_and_is_never_signed(house, fault):
    statement, named = FAULTS[fault]
    log = await house.gateway()
    await house.record(log, 3)
    await house.owner.execute(statement)

    async with house.sequencer() as sequencer:
        await until(lambda: sequencer.halted)

        assert named in sequencer.halted
        assert not sequencer.is_well
        assert sequencer.state == "halted"
    assert await house.owner.fetchval("SELECT coalesce(max(size), 0) FROM checkpoints") == 0


async def test_without_a_signer_nothing_is_published_and_later_everything(house):
    log = await house.gateway()
    async with house.sequencer() as sequencer:
        await house.record(log)
        await house.until_signed(2)
        await house.stop("signer")
        await house.record(log)
        await until(lambda: sequencer.state == "unconnected")
        assert await house.owner.fetchval("SELECT max(size) FROM checkpoints") == 2
        await house.start("signer")

        assert (await house.until_signed(4)).size == 4


async def test_without_a_witness_checkpoints_are_signed_and_cosigned_later(house):
    log = await house.gateway()
    await house.stop("witness")
    async with house.sequencer():
        await house.record(log)
        async with asyncio.timeout(15):
            while await house.owner.fetchval("SELECT max(size) FROM checkpoints") != 2:  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.02)
        assert await house.checkpoint() is None
        await house.start("witness")

        assert (await house.until_signed(2)).size == 2


async def test_a_restored_database_is_healed_from_the_spool_in_the_old_order(house):
    """Its log was signed further than it reaches now. The same records come back to the same
    places, whoever brings them, and what comes new stands behind them."""
    logs = [await house.gateway(spool=house.folder / name) for name in ("one", "two")]
    async with house.sequencer():
        await house.record(logs[0], 3)
        await house.until_signed(6)
        older = await house.copy()
        for turn in range(6):
            await house.record(logs[turn % 2], 2)
            await house.until_signed(10 + 4 * turn)
        before = await house.leaves()
    for log in logs:
        await log.close()
    await house.restore(older)

    async with house.sequencer() as sequencer:
        await until(lambda: sequencer.state == "restoring")
        # The second's comes back first; its batches wait for their places.
        await house.gateway(spool=house.folder / "two")
        newer = await house.gateway(spool=house.folder / "new")
        await house.record(newer, 2)
        await house.gateway(spool=house.folder / "one")
        await house.until_signed(34)

        assert sequencer.is_well
    after = await house.leaves()
    assert after[:30] == before
    assert len(after) == 34


async def test_a_restored_database_without_its_order_is_not_signed_into_a_fork(house):
    log = await house.gateway()
    async with house.sequencer():
        await house.record(log, 2)
        await house.until_signed(4)
        older = await house.copy()
        await house.record(log, 3)
        await house.until_signed(10)
    await log.close()
    await house.restore(older)
    other = await house.gateway(spool=house.folder / "empty")
    await house.record(other, 5)

    async with house.sequencer(order="empty.order") as sequencer:
        await until(lambda: sequencer.halted)

        assert "10 records was signed before" in sequencer.halted
    assert await house.owner.fetchval("SELECT sum(records) FROM log_batches") == 4


async def test_a_log_that_was_put_in_another_order_is_refused_by_the_signer(house):
    logs = [await house.gateway(spool=house.folder / name) for name in ("one", "two")]
    async with house.sequencer():
        empty = await house.copy()
        await house.record(logs[0], 1)
        await house.until_signed(2)
        await house.record(logs[1], 1)
        await house.until_signed(4)
    for log in logs:
        await log.close()
    await house.restore(empty)
    # Everything comes back, and somebody says that it had another order.
    later = [await house.gateway(spool=house.folder / name) for name in ("one", "two")]
    order = (house.folder / "log.order").read_text().splitlines()
    swapped = [line.split() for line in reversed(order)]
    lines = [f"{n * 2} {line[1]} {line[2]} {line[3]}\n" for n, line in enumerate(swapped)]
    (house.folder / "log.order").write_text("".join(lines))

    async with house.sequencer() as sequencer:
        await until(lambda: sequencer.halted)

        assert "another history" in sequencer.halted
    assert await house.owner.fetchval("SELECT count(*) FROM checkpoints") == 0
    assert len(later) == 2


async def test_a_gateway_whose_records_do_not_get_into_the_log_records_nothing_more(house):
    log = await house.gateway(behind_after=0.5)
    await house.record(log)
    await until(lambda: log._sequenced.is_behind)

    with pytest.raises(LogBehind):
        log.require_open()
    with pytest.raises(LogBehind):
        await house.record(log)
    async with house.sequencer():
        await house.until_signed(2)
        await until(lambda: not log._sequenced.is_behind)

        await house.record(log)
    assert await house.owner.fetchval("SELECT count(*) FROM records") == 4


async def test_the_spool_lets_go_of_what_the_witness_has_cosigned(house):
    log = await house.gateway(keep=0)
    await house.stop("witness")
    async with house.sequencer() as sequencer:
        await house.record(log)
        await until(lambda: sequencer.signed == 2)
        await asyncio.sleep(0.3)
        assert list((house.folder / "spool").glob("*.spool"))
        await house.start("witness")

        await until(lambda: not list((house.folder / "spool").glob("*.spool")))
        await house.record(log)
        await house.until_signed(4)


async def test_what_is_published_verifies_and_reaches_no_further_than_the_checkpoint(
    house, databases
):
    log = await house.gateway()
    published = PublishedLog(databases[0].runtime)
    with pytest.raises(NotPublishedYet):
        await published.head()
    async with house.sequencer():
        ids = await house.record(log, 3, each=100)
        await house.until_signed(300)
    [newer, _] = await house.record(log)
    head, leaves = await published.head(), await house.leaves()
    root = Checkpoint.parse(Note.parse(head.note).text).root
    hashes = [merkle.leaf_hash(leaf) for leaf in leaves]

    assert head.size == 300
    assert await published.tile(0, 0, 256) == b"".join(hashes[:256])
    assert await published.tile(0, 1, 44) == b"".join(hashes[256:300])
    assert await published.tile(0, 1, 10) == b"".join(hashes[256:266])
    assert parse_bundle(await published.entries(1, 44)) == leaves[256:300]
    for index in (0, 150, 255, 256, 299):
        merkle.verify_inclusion(
            index=index,
            size=300,
            hashed_leaf=hashes[index],
            proof=await published.inclusion(index, 300),
            root=root,
        )
    merkle.verify_consistency(
        size1=200,
        size2=300,
        root1=merkle.root_of(hashes[:200]),
        root2=root,
        proof=await published.consistency(200, 300),
    )
    bundle = Bundle.parse(str(await published.proof_of(ids[137])))
    verify_bundle(
        bundle,
        leaf=bundle.extra,
        log_key=house.log_key,
        witness_keys=[house.witness_key],
        quorum=1,
    )
    assert ids[137].encode() in bundle.extra
    for beyond in (
        published.proof_of(newer),
        published.tile(0, 1, 45),
        published.tile(1, 0, 2),
        published.entries(1, 45),
        published.inclusion(0, 301),
        published.consistency(1, 301),
    ):
        with pytest.raises(NotPublishedYet):
            await beyond
    published.close()


async def test_the_sequencers_role_can_neither_change_records_nor_the_order(house, databases):
    log = await house.gateway()
    async with house.sequencer():
        await house.record(log)
        await house.until_signed(2)
    sequencer = await asyncpg.connect(for_driver(databases[0].apart["log"]))
    for change in (
        "UPDATE records SET purpose = 'x'",
        "DELETE FROM records",
        "INSERT INTO batches SELECT * FROM batches",
        "UPDATE log_batches SET first_index = first_index + 1",
        "DELETE FROM log_batches",
        "DELETE FROM tiles",
        "DELETE FROM checkpoints",
        "UPDATE checkpoints SET root = root",
        "SELECT * FROM openings",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await sequencer.execute(change)
    await sequencer.close()
