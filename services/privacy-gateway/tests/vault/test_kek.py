"""The file of key-encryption keys, and what wrapping binds."""

import asyncio
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from privacy_gateway.domain.vault import kek
from privacy_gateway.domain.vault.kek import (
    Belonging,
    KeyEncryptionUnavailable,
    KeyFile,
    NotUnwrapped,
    StillNeeded,
    UnusableKeyFile,
)
from privity_contracts import ids

MATERIAL = os.urandom(32)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keks.json"


@pytest.fixture
def belonging():
    person = ids.mint("cus")
    return Belonging(ids.mint("key"), person, f"account/{person}", "identity")


def test_a_new_file_is_for_its_owner_alone(path):
    KeyFile.read_or_create(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == [path.name]


async def test_an_existing_file_is_kept(path):
    first = KeyFile.read_or_create(path)
    before = path.read_bytes()

    assert await KeyFile.read_or_create(path).current() == await first.current()
    assert path.read_bytes() == before


def test_of_two_starts_at_once_one_makes_the_file(path):
    with ThreadPoolExecutor(8) as starts:
        list(starts.map(kek.create, [path] * 8))

    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert len(json.loads(path.read_text())["keys"]) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_a_file_that_others_can_touch_stops_the_start(path, mode):
    KeyFile.read_or_create(path)
    path.chmod(mode)

    with pytest.raises(UnusableKeyFile, match="mode 600"):
        KeyFile.read(path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"current": "a", "keys": {}}',
        '{"current": "a", "keys": {"b": "%s"}}' % ("A" * 43 + "="),
        '{"current": "a", "keys": {"a": "c2hvcnQ="}}',
        '{"current": "a", "keys": {"a": "not base 64"}}',
        '{"current": "a", "keys": ["a"]}',
    ],
)
def test_a_file_that_is_not_ours_stops_the_start(path, content):
    path.touch(mode=0o600)
    path.write_text(content)

    with pytest.raises(UnusableKeyFile):
        KeyFile.read(path)


async def test_a_key_unwraps_where_it_belongs(path, belonging):
    keys = KeyFile.read_or_create(path)

    wrapped = await keys.wrap(MATERIAL, belonging)

    assert await keys.unwrap(wrapped, belonging) == MATERIAL
    assert MATERIAL not in wrapped.text


@pytest.mark.parametrize(
    "moved",
    [
        {"key_id": ids.mint("key")},
        {"subject": ids.mint("cus")},
        {"scope": "order/ord_00000000000000000000000000"},
        {"retention_class": "books"},
    ],
    ids=lambda moved: next(iter(moved)),
)
async def test_a_wrapped_key_copied_into_another_row_does_not_unwrap(path, belonging, moved):
    keys = KeyFile.read_or_create(path)
    wrapped = await keys.wrap(MATERIAL, belonging)

    with pytest.raises(NotUnwrapped):
        await keys.unwrap(wrapped, replace(belonging, **moved))


async def test_an_altered_or_shortened_key_does_not_unwrap(path, belonging):
    keys = KeyFile.read_or_create(path)
    wrapped = await keys.wrap(MATERIAL, belonging)

    for position in range(len(wrapped.text)):
        changed = bytearray(wrapped.text)
        changed[position] ^= 1
        for text in (bytes(changed), wrapped.text[:position]):
            with pytest.raises(NotUnwrapped):
                await keys.unwrap(wrapped._replace(text=text), belonging)


async def test_an_older_key_still_unwraps_after_a_new_one_became_current(path, belonging):
    keys = KeyFile.read_or_create(path)
    wrapped = await keys.wrap(MATERIAL, belonging)
    held = json.loads(path.read_text())
    held["keys"]["kek_new"] = "A" * 43 + "="
    held["current"] = "kek_new"
    path.write_text(json.dumps(held))

    rotated = KeyFile.read(path)

    assert await rotated.unwrap(wrapped, belonging) == MATERIAL
    assert (await rotated.wrap(MATERIAL, belonging)).kek_id == "kek_new"


async def test_a_key_wrapped_by_a_lost_key_is_told_apart(path, belonging):
    keys = KeyFile.read_or_create(path)
    wrapped = await keys.wrap(MATERIAL, belonging)
    other = KeyFile(current="kek_other", keys={"kek_other": os.urandom(32)})

    with pytest.raises(KeyEncryptionUnavailable, match="not in the file"):
        await other.unwrap(wrapped, belonging)


async def test_a_rotation_reaches_processes_that_are_running(path, belonging):
    one, other = KeyFile.read_or_create(path), KeyFile.read(path)
    before = await one.wrap(MATERIAL, belonging)

    kek_id = await one.rotate()
    after = await other.wrap(MATERIAL, belonging)

    assert (before.kek_id != kek_id, after.kek_id) == (True, kek_id)
    for keys in (one, other, KeyFile.read(path)):
        assert await keys.unwrap(before, belonging) == MATERIAL
        assert await keys.unwrap(after, belonging) == MATERIAL
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == [path.name]


async def test_what_another_process_wrapped_a_moment_ago_unwraps_at_once(path, belonging):
    one, other = KeyFile.read_or_create(path), KeyFile.read(path)
    await one.rotate()

    wrapped = await one.wrap(MATERIAL, belonging)

    assert await other.unwrap(wrapped, belonging) == MATERIAL


async def test_a_key_that_was_taken_out_unwraps_nowhere_and_the_one_that_wraps_stays(
    path, belonging
):
    keys, other = KeyFile.read_or_create(path), KeyFile.read(path)
    wrapped = await keys.wrap(MATERIAL, belonging)
    with pytest.raises(StillNeeded):
        await keys.retire(wrapped.kek_id)
    await keys.rotate()

    await keys.retire(wrapped.kek_id)

    assert wrapped.kek_id not in path.read_text()
    for each in (keys, KeyFile.read(path)):
        with pytest.raises(KeyEncryptionUnavailable):
            await each.unwrap(wrapped, belonging)
    await other.wrap(MATERIAL, belonging)  # looks again
    with pytest.raises(KeyEncryptionUnavailable):
        await other.unwrap(wrapped, belonging)


async def test_two_rotations_at_once_are_two_keys(path):
    keys = [KeyFile.read_or_create(path) for _ in range(6)]

    with ThreadPoolExecutor(6) as pool:
        made = set(pool.map(lambda each: asyncio.run(each.rotate()), keys))

    assert made < set(json.loads(path.read_text())["keys"])
    assert len(made) == 6
