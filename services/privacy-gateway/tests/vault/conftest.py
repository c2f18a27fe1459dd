"""Processes that share one table of keys."""

import asyncpg
import pytest

from privacy_gateway.clients.line import for_driver
from privacy_gateway.domain.vault.data_keys import DataKeys
from privacy_gateway.domain.vault.key_cache import Place


class Clock:
    """Stands still until it is put forward."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def place(customer):
    return Place(customer, f"account/{customer}", "identity")


@pytest.fixture
async def new_process(keys_database, key_file):
    """Makes what one more gateway process would have."""
    made = []

    async def make(**changes):
        keys = DataKeys(keys_database.runtime, key_file, **{"deadline_seconds": 10} | changes)
        await keys.start()
        made.append(keys)
        return keys

    yield make
    for keys in made:
        await keys.close()


@pytest.fixture
async def as_owner(keys_database):
    connection = await asyncpg.connect(for_driver(keys_database.owner))
    yield connection
    await connection.close()
