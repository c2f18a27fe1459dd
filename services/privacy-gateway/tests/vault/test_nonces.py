"""No nonce comes twice under one key, as far as can be seen by sealing; the rest is an argument.

The argument, and the bound that is enforced, stand in docs/keys.md and `key_table.MOST_SEALS`.
"""

import base64
import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from privacy_gateway.domain.vault import key_table, sealing
from privity_contracts import ids

SEALS = int(os.environ.get("PRIVITY_SEALS", "100000"))
KEY, WHO = ids.mint("key"), ids.mint("cus")


def repeated(nonces):
    """How many of them were there before."""
    seen, twice = set(), 0
    for nonce in nonces:
        twice += nonce in seen
        seen.add(nonce)
    return twice


def sealed(times):
    cipher = AESGCM(os.urandom(32))
    for _ in range(times):
        token = sealing.seal("x", cipher=cipher, key_id=KEY, category="user.name", subject=WHO)
        yield base64.urlsafe_b64decode(token.rpartition(":")[2][:16])


def test_no_nonce_comes_twice():
    assert repeated(sealed(SEALS)) == 0


def test_a_nonce_that_comes_twice_would_be_seen(monkeypatch):
    random = os.urandom
    monkeypatch.setattr(sealing.os, "urandom", lambda size: bytes(size - 1) + random(1))

    assert repeated(sealed(600)) >= 344  # of 256 different ones


def test_the_bound_is_far_below_what_nist_allows():
    """SP 800-38D, 8.3: 2³² seals under one key with random nonces of 96 bits."""
    assert 2**4 * key_table.MOST_SEALS == 2**32
