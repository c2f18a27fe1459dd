"""Who oversees the keys sees how they stand; what happens to a key is on record."""

import asyncio
from datetime import timedelta

import asyncpg
import orjson
import pytest

from privacy_gateway.clients.line import for_driver
from privacy_gateway.domain import key_steps
from privacy_gateway.domain.key_steps import KeySteps
from privacy_gateway.domain.vault import rotations
from privity_contracts import ids

KINDS = {
    "key_encryption",
    "data_keys",
    "token_signing",
    "blind_index",
    "webhook_secrets",
    "callback_secrets",
    "audit_identity",
    "receipt_signing",
    "requests",
}


@pytest.fixture
async def table(databases):
    connection = await asyncpg.connect(for_driver(databases["keys_"].owner))
    yield connection
    await connection.close()


@pytest.fixture
async def overseer(gateway):
    return await gateway.grant("privacy", "key_management", "shop")


@pytest.fixture
async def a_partner(databases, gateway):
    """With a secret of each use; how it is wrapped is nobody's business here."""
    connection = await asyncpg.connect(for_driver(databases[""].owner))
    partner = ids.mint("rcp")
    await connection.execute(
        "INSERT INTO recipients (id, name, kind, endpoint, status, request_key,"
        " request_fingerprint, created_at)"
        " VALUES ($1, 'P', 'delivery', '', 'active', $2, $2, now())",
        *(partner, partner.encode()),
    )
    for use in ("webhook", "callback"):
        await connection.execute(
            "INSERT INTO webhook_secrets (id, recipient_id, use, wrapped, kek_id, created_at)"
            " VALUES ($1, $2, $3, '', 'kek', now() - interval '400 days')",
            *(ids.mint("key"), partner, use),
        )
    yield partner
    await connection.execute("DELETE FROM webhook_secrets WHERE recipient_id = $1", partner)
    await connection.execute("DELETE FROM recipients WHERE id = $1", partner)
    await connection.close()


async def leaves(databases, reason):
    connection = await asyncpg.connect(for_driver(databases["audit_"].owner))
    try:
        rows = await connection.fetch("SELECT leaf FROM records WHERE kind = 'key'")
    finally:
        await connection.close()
    return [leaf for row in rows if (leaf := orjson.loads(row["leaf"])).get("reason") == reason]


async def test_every_kind_of_key_is_shown_with_its_age_and_what_is_due(
    gateway, overseer, an_order, a_partner, records
):
    await an_order(assignee=None)

    answer = await gateway.get("/v1/keys", overseer)

    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert {item["kind"] for item in shown["items"]} == KINDS
    assert all(item["since"] for item in shown["items"])
    due = {item["kind"] for item in shown["items"] if item["due"]}
    assert due == {"webhook_secrets", "callback_secrets"}
    assert shown["due"] is True
    assert shown["processes"] >= 1
    [leaf] = await records(answer)
    assert (leaf["reason"], leaf["purpose"]) == ("keys_looked_at", "key_management")


async def test_a_rotation_that_is_running_is_shown_with_how_far_it_is(gateway, overseer, table):
    rotation = await rotations.begin(table, "data_keys")
    assert await rotations.begin(table, "data_keys") == rotation
    await rotations.move(table, rotation, done=7, left=3, problem="some_wait")

    [shown] = (await gateway.get("/v1/keys", overseer)).json()["rotations"]

    assert (shown["id"], shown["kind"]) == (rotation, "data_keys")
    assert (shown["done"], shown["left"], shown["problem"]) == (7, 3, "some_wait")
    await rotations.finish(table, rotation)
    assert (await gateway.get("/v1/keys", overseer)).json()["rotations"] == []


async def test_nobody_else_sees_them(gateway, as_customer):
    asked = await gateway.ask("kim", "key_management", "shop")
    assert asked.status_code == 400
    assert asked.json()["error"] == "access_denied"
    for headers in (
        await gateway.grant("privacy", "deletion_oversight", "shop"),
        as_customer(ids.mint("cus")),
    ):
        assert (await gateway.get("/v1/keys", headers)).status_code == 403
    assert (await gateway.get("/v1/keys", {})).status_code == 401


async def test_each_step_is_on_record_once_and_so_is_the_end_of_a_key(gateway, table, databases):
    kind = f"test_{ids.mint('key')[-8:]}"
    key = ids.mint("key")
    rotation = await rotations.begin(table, kind)
    await rotations.move(table, rotation, key_id=key)
    await rotations.finish(table, rotation)
    await rotations.finish(table, rotation)
    await table.execute(
        "INSERT INTO ring_keys (key_id, ring, state, wrapped, kek_id, ends_at)"
        " VALUES ($1, $2, 'leaving', '', 'kek', now() - interval '1 second')",
        *(key, kind),
    )
    steps = "SELECT record_id FROM key_steps WHERE kind = $1"

    async with asyncio.timeout(20):
        told = []
        while len(told) < 3:
            await asyncio.sleep(0.05)
            told = [row[0] for row in await table.fetch(steps, kind) if row[0]]

    assert len(set(told)) == 3
    assert await table.fetchval("SELECT count(*) FROM ring_keys WHERE ring = $1", kind) == 0
    for step, named in (("begun", None), ("finished", key), ("destroyed", key)):
        [leaf] = await leaves(databases, f"{kind}_{step}")
        assert leaf.get("resource") == named
        assert (leaf["actor"], leaf["purpose"]) == ("svc_privacy-gateway", "key_management")
        assert leaf["id"] in told


async def test_a_step_whose_recorder_died_is_recorded_by_the_next(databases, table):
    kind = f"test_{ids.mint('key')[-8:]}"
    await rotations.begin(table, kind)
    await table.execute(
        "UPDATE key_steps SET taken_at = now() - interval '31 seconds', record_id = NULL"
        " WHERE kind = $1",
        kind,
    )

    async with asyncio.timeout(20):
        step = "SELECT record_id FROM key_steps WHERE kind = $1"
        while await table.fetchval(step, kind) is None:  # noqa: ASYNC110  # it tells nobody
            await asyncio.sleep(0.05)

    await table.execute("DELETE FROM key_rotations WHERE kind = $1", kind)
    assert len(await leaves(databases, f"{kind}_begun")) == 1


async def test_a_partners_secret_that_has_ended_is_destroyed_and_it_is_on_record_once(
    databases, table, a_partner
):
    """Also when somebody died between saying so and doing it."""
    store = await asyncpg.connect(for_driver(databases[""].owner))
    mine = "SELECT id, use FROM webhook_secrets WHERE recipient_id = $1"
    held = {row["use"]: row["id"] for row in await store.fetch(mine, a_partner)}
    await rotations.note_destroyed(table, "callback_secret", [held["callback"]])
    ends = "UPDATE webhook_secrets SET expires_at = now() + $2 WHERE id = $1"
    await store.execute(ends, held["callback"], timedelta(seconds=-1))
    await store.execute(ends, held["webhook"], timedelta(seconds=1))

    async with asyncio.timeout(20):
        told = []
        while len(told) < 2 or await store.fetch(mine, a_partner):
            await asyncio.sleep(0.05)
            steps = "SELECT record_id FROM key_steps WHERE key_id = ANY($1::text[])"
            told = [row[0] for row in await table.fetch(steps, list(held.values())) if row[0]]
    await store.close()

    for use, key in held.items():
        found = [e for e in await leaves(databases, f"{use}_secret_destroyed")
                 if e.get("resource") == key]  # fmt: skip
        assert [leaf["id"] for leaf in found] == [leaf for leaf in told if leaf == found[0]["id"]]
        assert (found[0]["actor"], found[0]["purpose"]) == ("svc_privacy-gateway", "key_management")


async def test_a_partners_secret_that_is_good_stays(databases, table, a_partner):
    store = await asyncpg.connect(for_driver(databases[""].owner))
    await store.execute(
        "UPDATE webhook_secrets SET expires_at = now() + interval '1 hour'"
        " WHERE recipient_id = $1 AND use = 'webhook'",
        a_partner,
    )
    steps = KeySteps(databases["keys_"].owner, audit=None, policy=None, gateway=store.fetch)

    await steps._end_secrets()

    mine = "SELECT count(*) FROM webhook_secrets WHERE recipient_id = $1"
    assert await store.fetchval(mine, a_partner) == 2
    await store.close()


async def test_whatever_a_round_fails_with_there_is_a_next_one(databases, monkeypatch):
    rounds = asyncio.Queue()

    async def fails():
        rounds.put_nowait(None)
        raise KeyError("clauses")

    steps = KeySteps(databases["keys_"].owner, audit=None, policy=None, gateway=None)
    monkeypatch.setattr(key_steps, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(steps, "tell", fails)
    async with asyncio.timeout(20), steps.following():
        for _ in range(3):
            await rounds.get()
