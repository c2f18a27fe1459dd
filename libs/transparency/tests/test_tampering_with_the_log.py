"""Tampering with what holds the records together, by the tables' owner or a role."""
# ruff: noqa: S608  # our own tables and columns stand in the statements

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from privity_contracts import ids
from privity_postgres.testing import DatabaseUrls
from privity_transparency import merkle
from privity_transparency.batch import Process
from privity_transparency.checkpoint import Checkpoint
from privity_transparency.note import Note
from privity_transparency.tiles import Growth, TileId
from privity_transparency.verifier.findings import Fault, Report

from .conftest import RECORDS, WHOLE, plain, restore, verify
from .made_log import BEGAN, ORIGIN, TABLES, MadeLog, a_record, make_log
from .tampering import Victim, changed

BATCH = "process_id = $1 AND number = $2"


def faults(report: Report) -> set[Fault]:
    return set(report.faults)


def hashes_of(made: MadeLog) -> list[bytes]:
    return [merkle.leaf_hash(row[2]) for row in made.rows["records"]]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tiles SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1) "
        "WHERE level = 0 AND number = 2",
        "UPDATE tiles SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1) WHERE level = 1",
        "UPDATE tiles SET hashes = substr(hashes, 1, 64) WHERE (level, number) = "
        "(SELECT 0, max(number) FROM tiles WHERE level = 0)",
        "DELETE FROM tiles WHERE level = 0 AND number = 1",
        "DELETE FROM tiles WHERE level = 1",
        "DELETE FROM tiles",
    ],
)
async def test_tiles_alone_are_noticed_and_no_record_is_blamed(
    statement: str, urls: DatabaseUrls, owner: asyncpg.Connection, made: MadeLog
) -> None:
    await owner.execute(statement)

    assert faults(await verify(urls, made)) == {Fault.TILE}


async def test_a_record_and_its_tile_together_are_traced_to_the_batch_that_signed_it(
    urls: DatabaseUrls, owner: asyncpg.Connection, made: MadeLog
) -> None:
    victim = Victim(owner, made, random.Random(1))
    for index in random.Random(2).sample(range(RECORDS), RECORDS // 100 if WHOLE else 5):
        first, records = next(
            (first, records)
            for first, _, _, records in made.rows["log_batches"]
            if first <= index < first + records
        )
        leaf = changed(victim.row(index)["leaf"], purpose="catalogue")
        await victim.set(index, leaf=leaf, purpose="catalogue")
        hashes = hashes_of(made)
        hashes[index] = merkle.leaf_hash(leaf)
        for tile, content in Growth().append(hashes).items():
            await owner.execute(
                "UPDATE tiles SET hashes = $3 WHERE level = $1 AND number = $2", *tile, content
            )

        report = await verify(urls, made)

        assert faults(report) == {Fault.TILE, Fault.ALTERED}
        [found] = [each for each in report.findings if each.fault is Fault.ALTERED]
        assert found.index == first
        assert f"among the records {first} to {first + records - 1}" in found.what
        await restore(owner)


@pytest.mark.parametrize(
    "change",
    ["records = records + 1", "number = 1000000", "signature = substr(signature, 2)"]
    + [
        f"{name} = set_byte({name}, 7, 255 - get_byte({name}, 7))"
        for name in ("previous", "leaves", "signature")
    ],
)
async def test_a_changed_batch_is_named(
    change: str, urls: DatabaseUrls, owner: asyncpg.Connection, made: MadeLog
) -> None:
    _, process_id, number, _ = made.rows["log_batches"][len(made.rows["log_batches"]) // 2]
    await owner.execute(f"UPDATE batches SET {change} WHERE {BATCH}", process_id, number)

    report = await verify(urls, made)

    assert Fault.BATCH in faults(report)
    assert f"batch {number} of {process_id}" in str(report.findings[0])
    assert not faults(report) & {Fault.ALTERED, Fault.REMOVED, Fault.INSERTED, Fault.REORDERED}


async def test_a_batch_that_vanished_with_all_its_records_leaves_its_places_empty(
    urls: DatabaseUrls, owner: asyncpg.Connection, made: MadeLog
) -> None:
    chance = random.Random(3)
    for first, process_id, number, records in chance.sample(
        made.rows["log_batches"], 50 if WHOLE else 3
    ):
        for statement in (
            "DELETE FROM records WHERE process_id = $1 AND batch = $2",
            f"DELETE FROM batches WHERE {BATCH}",
            f"DELETE FROM log_batches WHERE {BATCH}",
        ):
            await owner.execute(statement, process_id, number)

        report = await verify(urls, made)

        removed = [each.index for each in report.findings if each.fault is Fault.REMOVED]
        assert removed == list(range(first, first + records))
        await restore(owner)


async def test_batches_that_changed_places_in_the_log_are_named(
    urls: DatabaseUrls, owner: asyncpg.Connection, made: MadeLog
) -> None:
    listed = made.rows["log_batches"]
    one, other = next(
        (a, b) for n, a in enumerate(listed) for b in listed[n + 1 :] if a[3] == b[3] > 1
    )
    await owner.execute(f"DELETE FROM log_batches WHERE first_index IN ({one[0]}, {other[0]})")
    await owner.executemany(
        "INSERT INTO log_batches VALUES ($1, $2, $3, $4)",
        [(one[0], *other[1:]), (other[0], *one[1:])],
    )

    report = await verify(urls, made)

    moved = {each.index for each in report.findings if each.fault is Fault.REORDERED}
    assert moved == {first + each for first, _, _, n in (one, other) for each in range(n)}
    assert Fault.ORDER in faults(report)


async def test_a_batch_that_is_listed_with_too_many_records_makes_no_other_history(
    urls: DatabaseUrls, owner: asyncpg.Connection, made: MadeLog
) -> None:
    first = made.rows["log_batches"][20][0]
    await owner.execute(
        "UPDATE log_batches SET records = records + 1 WHERE first_index = $1", first
    )

    report = await verify(urls, made)

    assert Fault.ORDER in faults(report)
    assert Fault.FORK not in faults(report)


async def test_a_process_that_the_identity_does_not_vouch_for_is_named(
    urls: DatabaseUrls, owner: asyncpg.Connection, made: MadeLog
) -> None:
    process_id, public_key, _, started_at = made.rows["processes"][1]
    other = Process(process_id, public_key, started_at).certify(Ed25519PrivateKey.generate())
    await owner.execute(
        "UPDATE processes SET certificate = $2 WHERE process_id = $1", process_id, other
    )

    report = await verify(urls, made)

    assert faults(report) == {Fault.PROCESS}
    assert process_id in str(report.findings[0])


async def test_a_fork_signed_with_the_logs_own_key_is_no_growth_of_what_somebody_kept(
    urls: DatabaseUrls, owner: asyncpg.Connection, made: MadeLog
) -> None:
    """Whoever has the database and the signer's key can make a log, and it is not this one."""
    fork = make_log(RECORDS, seed=99)
    fork.log, fork.identity = made.log, fork.identity
    root = merkle.root_of(hashes_of(fork))
    text = Checkpoint(ORIGIN, RECORDS, root).text
    note = str(Note(text, (made.log.sign(text),)))
    fork.rows["checkpoints"] = [(RECORDS, root, note, False, BEGAN)]
    for table in fork.rows:
        await owner.execute(f"DELETE FROM {table}")
    await fork.load(owner)

    for kept in made.heads if WHOLE else made.heads[::4]:
        report = await verify(urls, made, known=(kept,))

        # The identity's key was not stolen here, and no witness saw this history.
        assert faults(report) == {Fault.FORK, Fault.PROCESS, Fault.CHECKPOINT}


async def test_a_changed_checkpoint_is_none_and_a_signed_one_of_another_root_is_a_fork(
    urls: DatabaseUrls, owner: asyncpg.Connection, made: MadeLog
) -> None:
    await owner.execute("UPDATE checkpoints SET note = replace(note, E'\\n400\\n', E'\\n401\\n')")
    size = made.rows["checkpoints"][1][0]
    await owner.execute(
        f"UPDATE checkpoints SET note = replace(note, E'\\n{size}\\n', E'\\n{size + 1}\\n')"
    )
    assert faults(await verify(urls, made)) == {Fault.CHECKPOINT}
    await restore(owner)

    root = merkle.leaf_hash(b"another")
    text = Checkpoint(ORIGIN, size, root).text
    await owner.execute(
        "UPDATE checkpoints SET note = $2, root = $3, cosigned = false WHERE size = $1",
        size,
        str(Note(text, (made.log.sign(text),))),
        root,
    )
    assert faults(await verify(urls, made)) == {Fault.FORK}
    await restore(owner)

    for change in ("root = sha256(root)", "cosigned = NOT cosigned"):
        await owner.execute(f"UPDATE checkpoints SET {change} WHERE size = $1", size)
        assert faults(await verify(urls, made)) == {Fault.CHECKPOINT}
        await restore(owner)


async def test_the_gateways_role_can_change_nothing_and_what_it_adds_is_found(
    urls: DatabaseUrls,
    owner: asyncpg.Connection,
    made: MadeLog,
    record_figures: Callable[[str], None],
) -> None:
    role = await asyncpg.connect(plain(urls.runtime))
    tables = [
        each["relname"]
        for each in await owner.fetch(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') "
            "AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'"
        )
    ]
    refused = 0
    for table in tables:
        column = await owner.fetchval(
            "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum = 1", table
        )
        for statement in (
            f"UPDATE {table} SET {column} = {column}",
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await role.execute(statement)
            refused += 1
    record_figures(f"tampering, the gateway's role: {refused} of {refused} changes refused")

    chance = random.Random(6)
    process_id, batch, position = made.rows["records"][17][10:]
    forged: dict[str, Any] = dict(
        zip(Victim(owner, made, chance).row(17), a_record(0, chance), strict=False)
    )
    copied = Victim(owner, made, chance).row(23)
    copied["recorded_at"] += timedelta(microseconds=1)
    forged |= {"process_id": process_id, "batch": batch, "position": position}
    for row in (forged, copied):
        await role.copy_records_to_table(
            "records", records=[tuple(row.values())], columns=list(row)
        )
    key = Ed25519PrivateKey.generate()
    mine = Process(ids.mint("prc"), key.public_key().public_bytes_raw(), BEGAN)
    await role.execute(
        "INSERT INTO processes VALUES ($1, $2, $3, $4)",
        mine.process,
        mine.public_key,
        mine.certify(key),
        mine.started_at,
    )
    await role.close()

    report = await verify(urls, made)

    assert {(each.fault, each.index, each.record_id) for each in report.findings} == {
        (Fault.PROCESS, None, None),
        (Fault.INSERTED, None, forged["id"]),
        (Fault.DUPLICATED, 23, copied["id"]),
    }


async def test_the_sequencers_role_cannot_touch_records_and_what_it_rewrites_is_found(
    urls: DatabaseUrls, owner: asyncpg.Connection, made: MadeLog
) -> None:
    role = await asyncpg.connect(plain(urls.apart["log"]))
    for statement in (
        "UPDATE records SET role = role",
        "DELETE FROM records",
        "TRUNCATE records",
        "INSERT INTO records SELECT * FROM records",
        "UPDATE batches SET number = number",
        "DELETE FROM log_batches",
        "DELETE FROM checkpoints",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await role.execute(statement)
    hashes = hashes_of(made)
    hashes[5] = bytes(32)
    for tile, content in Growth().append(hashes).items():
        await role.execute(
            "UPDATE tiles SET hashes = $3 WHERE level = $1 AND number = $2", *TileId(*tile), content
        )
    await role.close()

    report = await verify(urls, made)

    assert faults(report) == {Fault.TILE}


async def test_whatever_stands_in_the_tables_the_verifier_comes_to_an_end(
    urls: DatabaseUrls, owner: asyncpg.Connection, made: MadeLog
) -> None:
    """Every column of every table in turn, with the strangest values that its type allows."""
    strange = {
        "bytea": ("''::bytea", "'\\xff'::bytea", "repeat('x', 1000)::bytea"),
        "text": ("''", "'prc_' || repeat('\u00e9', 26)", "repeat('x', 1000)"),
        "bigint": ("-1", "9223372036854775807"),
        "integer": ("-1", "2147483647", "NULL"),
        "smallint": ("32767",),
        "boolean": ("NULL", "false"),
        "timestamp with time zone": ("'2026-11-30 23:59:59.999999+00'",),
        "text[]": ("'{}'", "'{NULL}'"),
    }
    columns = await owner.fetch(
        "SELECT attrelid::regclass::text, attname, format_type(atttypid, NULL), attnotnull "
        "FROM pg_attribute WHERE attrelid = ANY($1::regclass[]) AND attnum > 0",
        list(TABLES),
    )
    cases = [
        (table, name, value)
        for table, name, kind, required in columns
        for value in strange[kind]
        if not (required and value == "NULL")
    ]
    for table, name, value in cases if WHOLE else random.Random(9).sample(cases, 15):
        # One row, so that keys stay unique.
        await owner.execute(
            f"UPDATE {table} SET {name} = {value} WHERE (tableoid, ctid) = "
            f"(SELECT tableoid, ctid FROM {table} ORDER BY tableoid, ctid LIMIT 1 OFFSET 2)"
        )
        report = await verify(urls, made)
        if name not in {"written_at", "cosigned"}:
            assert not report.clean, (table, name, value)
        await restore(owner, table)
    assert len(cases) > 50
