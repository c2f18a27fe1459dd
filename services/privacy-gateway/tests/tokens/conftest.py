"""Tokens are tested with real keys, a real database and what an attacker would make."""

import asyncio
import contextlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from privacy_gateway.domain.tokens.jose import TokenSigner
from privacy_gateway.domain.tokens.revocation import Revocations, RevocationsUnknown
from privity_database import Database


@pytest.fixture(scope="package")
def new_pem():
    def make(curve=None):
        key = ec.generate_private_key(curve or ec.SECP256R1())
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    return make


@pytest.fixture(scope="package")
def key_pem(new_pem):
    return new_pem()


@pytest.fixture(scope="package")
def signer(key_pem):
    return TokenSigner(key_pem, issuer="https://shop.example")


@pytest.fixture
async def database(gateway_database):
    opened = Database(gateway_database.runtime, pool_size=4)
    yield opened
    await opened.dispose()


@pytest.fixture
async def new_process(gateway_database):
    """Makes what one more gateway process would have: its own pool and its own feed."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(**changes):
            pool = Database(gateway_database.runtime, pool_size=2)
            stack.push_async_callback(pool.dispose)
            followed = Revocations(pool, gateway_database.runtime, **changes)
            await stack.enter_async_context(followed.following())
            async with asyncio.timeout(5):
                while not _is_fresh(followed):  # noqa: ASYNC110  # the feed tells nobody
                    await asyncio.sleep(0.01)
            return followed

        yield start


def _is_fresh(followed):
    try:
        followed.require_fresh()
    except RevocationsUnknown:
        return False
    return True


@pytest.fixture
async def revocations(new_process):
    return await new_process()
