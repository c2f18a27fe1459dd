"""A rotation whose database is lost under it ends, to be begun again."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace

import pytest

from privacy_gateway.domain import index_rotation
from privacy_gateway.domain.vault import rotations
from privity_postgres.silence import Way


async def test_a_rotation_does_not_wait_for_keys_that_are_gone(
    keys_database, as_owner, tmp_path, monkeypatch
):
    monkeypatch.setattr(index_rotation, "ANSWER_SECONDS", 0.3)
    rotation_id = await rotations.begin(as_owner, "blind_index")
    await rotations.move(
        as_owner, rotation_id, key_id="key_first"
    )  # all that is left is to tidy up
    try:
        async with Way(keys_database.runtime).standing() as way, asyncio.timeout(20):
            by = SimpleNamespace(keys_url=way.url, first_key_file=tmp_path / "none")
            asyncio.get_running_loop().call_later(0.5, way.fall_silent)
            with pytest.raises(TimeoutError):
                await index_rotation.run(rotation_id, longest_request=timedelta(seconds=1), by=by)
    finally:
        await rotations.finish(as_owner, rotation_id)
