"""`privacy-gateway keys …`, without a gateway beside it."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

import privacy_gateway
from privacy_gateway.api.command_line import main
from privacy_gateway.clients.line import for_driver
from privacy_gateway.domain.vault.data_keys import DataKeys
from privacy_gateway.domain.vault.kek import (
    Belonging,
    KeyFile,
    NotUnwrapped,
    StillNeeded,
    Wrapped,
)
from privacy_gateway.domain.vault.key_cache import Place
from privacy_gateway.domain.vault.rings import Rings
from privity_contracts import ids
from privity_database import migrate

MIGRATIONS = Path(privacy_gateway.__file__).parent / "migrations"


@pytest.fixture(scope="module")
def apart(make_database):
    """Databases of its own: what is rotated here is nobody else's."""
    made = {name: make_database(f"rotated_{name}") for name in ("keys", "gateway")}
    for name, urls in made.items():
        asyncio.run(migrate(urls.owner, MIGRATIONS / name))
    return made


@pytest.fixture
def say(apart, tmp_path, monkeypatch, capsys):
    """Runs a command as an operator does; gives its exit code and what it said."""
    settings = {
        "DATABASE_URL": apart["gateway"].runtime,
        "KEYS_DATABASE_URL": apart["keys"].runtime,
        "SECRETS_DIR": str(tmp_path),
    }
    for name, text in settings.items():
        monkeypatch.setenv(f"GATEWAY_{name}", text)

    async def run(*arguments):
        code = await asyncio.to_thread(main, ["keys", *arguments])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


@pytest.fixture
async def held(apart, tmp_path):
    """Thirty keys, and those of the gateway's own, under the key in the file."""
    keks = KeyFile.read_or_create(tmp_path / "key-encryption.json")
    rings = Rings(keks)
    taken = []
    rings.use(
        "token_signing", lambda keys: taken.append([key.material for key in keys]), seed=b"first"
    )
    keys = DataKeys(apart["keys"].runtime, keks, rings=rings, deadline_seconds=10)
    await keys.start()
    person = ids.mint("cus")
    made = await keys.for_sealing([Place(person, f"order/{n}", "delivery") for n in range(30)])
    yield keks, keys, made, taken
    await keys.close()
    connection = await asyncpg.connect(for_driver(apart["keys"].owner))
    await connection.execute("TRUNCATE data_keys, ring_keys")
    await connection.close()


async def opens(keys, made):
    keys._cache.clear()
    await keys.load([key.key_id for key in made])
    return [keys.loaded(key.key_id).place for key in made] == [key.place for key in made]


async def test_everything_is_wrapped_anew_and_the_earlier_key_can_go(say, held):
    keks, keys, made, _ = held
    first = await keks.current()

    code, said = await say("rotate", "kek", "--batch", "7")

    assert (code, "data keys: 30 wrapped anew, 0 left" in said) == (0, True), said
    assert "keys of the gateway's own: 1 wrapped anew, 0 left" in said
    assert await opens(keys, made)
    code, said = await say("status")
    assert (code, first in said) == (0, False), said
    assert await keks.current() in said
    assert (await say("retire", await keks.current()))[0] == 1
    assert (await say("retire", first))[0] == 0
    assert await opens(keys, made)


async def test_a_key_that_still_wraps_is_not_taken_away(say, held):
    keks, keys, made, _ = held
    first = await keks.current()
    await keks.rotate()

    code, said = await say("retire", first)

    assert (code, "still wraps 30 data keys" in said) == (1, True), said
    code, said = await say("status")
    assert (code, "keys rotate kek --resume" in said) == (3, True), said
    assert await opens(keys, made)


async def test_the_end_of_a_key_encryption_key_is_written_down_before_it_and_once(
    say, held, apart, monkeypatch
):
    """Killed in between, the next one finds it said already; nothing is said of another key."""
    keks, *_ = held
    first = await keks.current()
    await say("rotate", "kek")
    connection = await asyncpg.connect(for_driver(apart["keys"].owner))
    said = "SELECT key_id FROM key_steps WHERE step = 'destroyed' AND kind = 'key_encryption'"
    real = KeyFile.retire

    async def killed(self, kek_id):
        raise StillNeeded("killed")

    monkeypatch.setattr(KeyFile, "retire", killed)
    assert (await say("retire", first))[0] == 1
    monkeypatch.setattr(KeyFile, "retire", real)
    written = [row["key_id"] for row in await connection.fetch(said)]
    for kek_id in (first, first, "kek_of_nobody", await keks.current()):
        await say("retire", kek_id)

    assert first in written
    assert [row["key_id"] for row in await connection.fetch(said)] == written
    assert await keks.current() != first  # it looks at the file again
    assert not keks.holds(first)
    await connection.close()


async def test_what_does_not_unwrap_is_counted_and_left(say, held, apart):
    keks, keys, made, _ = held
    connection = await asyncpg.connect(for_driver(apart["keys"].owner))
    await connection.execute(
        "UPDATE data_keys SET wrapped = (SELECT wrapped FROM data_keys WHERE key_id = $1)"
        " WHERE key_id = $2",
        *(made[0].key_id, made[1].key_id),
    )
    before = await keks.current()

    code, said = await say("rotate", "kek", "--batch", "4")

    assert (code, "1 do not unwrap and stay as they are" in said) == (1, True), said
    rows = await connection.fetch("SELECT key_id FROM data_keys WHERE kek_id = $1", before)
    await connection.close()
    assert [row["key_id"] for row in rows] == [made[1].key_id]
    assert await opens(keys, [made[0], *made[2:]])


async def test_a_wrapping_that_changes_meanwhile_is_not_overwritten(say, held, apart, monkeypatch):
    keks, _, made, _ = held
    connection = await asyncpg.connect(for_driver(apart["keys"].owner))
    unwrap = KeyFile.unwrap

    async def destroyed_meanwhile(self, wrapped, belonging):
        await connection.execute(
            "UPDATE data_keys SET wrapped = NULL, kek_id = NULL, destroyed_at = now()"
            " WHERE key_id = $1",
            made[0].key_id,
        )
        return await unwrap(self, wrapped, belonging)

    await keks.rotate()
    loop = asyncio.get_running_loop()

    async def once(self, wrapped, belonging):
        if belonging.key_id == made[0].key_id:
            asyncio.run_coroutine_threadsafe(
                destroyed_meanwhile(self, wrapped, belonging), loop
            ).result()
        return await unwrap(self, wrapped, belonging)

    monkeypatch.setattr(KeyFile, "unwrap", once)
    await say("rotate", "kek", "--resume")

    query = "SELECT wrapped FROM data_keys WHERE key_id = $1"
    assert await connection.fetchval(query, made[0].key_id) is None
    await connection.close()


async def test_a_new_signing_key_is_known_before_it_signs(say, held):
    _, _, _, taken = held
    assert taken[-1] == [b"first"]

    code, said = await say("rotate", "token-signing")

    assert code == 0, said
    coming, current = taken[-2], taken[-1]
    assert coming[0] == b"first"
    assert len(coming) == 2
    assert current == coming[::-1]
    code, said = await say("status")
    assert "accepted until" in said


async def test_a_rotation_that_was_killed_is_gone_on_with_and_the_next_makes_another_key(
    say, held, apart
):
    """However soon it comes: the second key may be the one that leaked."""
    _, _, _, taken = held
    await say("rotate", "token-signing")
    [first, *_] = taken[-1]
    connection = await asyncpg.connect(for_driver(apart["keys"].owner))
    # As if it had been killed before it could say that it was over.
    await connection.execute(
        "UPDATE key_rotations SET finished_at = NULL, key_id = NULL WHERE begun_at ="
        " (SELECT max(begun_at) FROM key_rotations WHERE kind = 'token_signing')"
    )
    await connection.close()

    await say("rotate", "token-signing")
    resumed = taken[-1]
    await say("rotate", "token-signing")

    assert resumed[0] == first
    assert taken[-1][0] not in resumed
    assert set(taken[-1][1:]) == set(resumed)


async def test_a_signing_key_that_leaked_ends_at_once(say, held):
    _, _, _, taken = held

    code, said = await say("rotate", "token-signing", "--at-once")

    assert (code, len(taken[-1])) == (0, 1), said
    assert taken[-1] != [b"first"]


async def test_keys_of_a_ring_are_bound_to_it(held, apart):
    keks, _, _, taken = held
    connection = await asyncpg.connect(for_driver(apart["keys"].owner))
    row = await connection.fetchrow("SELECT * FROM ring_keys")
    await connection.close()

    for belonging in (
        Belonging(row["key_id"], "gateway", "ring/blind_index", "blind_index"),
        Belonging(ids.mint("key"), "gateway", "ring/token_signing", "token_signing"),
    ):
        with pytest.raises(NotUnwrapped):
            await keks.unwrap(Wrapped(row["kek_id"], row["wrapped"]), belonging)
    assert taken[-1] == [b"first"]


def test_what_is_not_set_is_named(monkeypatch, capsys):
    monkeypatch.delenv("GATEWAY_DATABASE_URL", raising=False)
    monkeypatch.setenv("GATEWAY_KEYS_DATABASE_URL", "postgresql://me:hidden@here/keys")

    assert main(["keys", "status"]) == 2

    said = capsys.readouterr().err
    assert "GATEWAY_DATABASE_URL: Field required" in said
    assert "hidden" not in said
