"""Indexes by the keys that count, and only while a process may know which those are."""

import pytest

from privacy_gateway.clients.line import Unreachable
from privacy_gateway.domain.vault.data_keys import DataKeys, KeysUnavailable
from privacy_gateway.domain.vault.rings import RingKey
from privacy_gateway.domain.vault.vault import NotInReceipt, Vault
from privity_contracts import BlindIndex, ids

EMAIL = "user.contact.email"


async def test_two_keys_that_count_give_two_forms(keys):
    vault = Vault(keys, index_key=b"i" * 32, request_key=b"r" * 32)
    before = BlindIndex(await vault.blind_index(EMAIL, "x"))

    vault.use_index_keys([RingKey(1, b"j" * 32), RingKey(0, b"i" * 32)])
    both = BlindIndex(await vault.blind_index(EMAIL, "x"))
    vault.use_index_keys([RingKey(1, b"j" * 32)])
    after = BlindIndex(await vault.blind_index(EMAIL, "x"))

    assert both.forms == (*before.forms, *after.forms)
    assert both.slots == (before.text, after.text)


async def test_who_was_away_asks_which_keys_count_before_it_makes_an_index(keys_database, key_file):
    keys = DataKeys(keys_database.runtime, key_file, deadline_seconds=10)
    vault = Vault(keys, index_key=b"i" * 32, request_key=b"r" * 32)
    await keys.start()
    keys._cache.leased_until = float("-inf")

    await vault.blind_index(EMAIL, "x")

    assert keys._lease.holds
    await keys.close()
    keys._cache.leased_until = float("-inf")
    keys._lease._fetch = _unanswered
    with pytest.raises(KeysUnavailable):
        await vault.blind_index(EMAIL, "x")


async def _unanswered(statement, *arguments):
    raise Unreachable("not there")


async def test_an_index_is_made_of_a_sealed_value_that_the_record_compares(vault, log, reading):
    person = ids.mint("cus")
    scope, values = f"account/{person}", [(EMAIL, "rosalind@example.org")]
    [token] = await vault.seal(person, scope, values, classes={EMAIL: "identity"})
    await vault.prepare([token])

    async def receipt(decision, whose=person):
        access = reading(("/email", EMAIL, decision), subject=whose, scope=f"account/{whose}")
        return (await log.record([access]))[0]

    granted = await receipt("look_up")
    made = vault.reindex(token, granted, str.upper)
    assert made == await vault.blind_index(EMAIL, "ROSALIND@EXAMPLE.ORG")
    with pytest.raises(NotInReceipt):
        vault.open(token, granted)
    for other in (await receipt("carry"), await receipt("look_up", ids.mint("cus"))):
        with pytest.raises(NotInReceipt):
            vault.reindex(token, other, str)
