"""The key that a gateway process makes when it starts, to sign what it records.

It never leaves the process. The gateway's audit identity, a secret file, vouches for it, so that a
verifier needs to know one public key for all the processes that there ever were.
"""

from __future__ import annotations

from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from privity_contracts import ids
from privity_transparency.batch import Batch, Process


class UnusableIdentity(ValueError):
    """The file of the audit identity holds no Ed25519 private key."""


class ProcessKey:
    def __init__(self, identity_pem: str, *, now: datetime) -> None:
        identity = _read(identity_pem)
        self._key = Ed25519PrivateKey.generate()
        self.process = Process(ids.mint("prc"), self._key.public_key().public_bytes_raw(), now)
        self.certificate = self.process.certify(identity)

    def sign(self, batch: Batch) -> bytes:
        return batch.sign(self._key)


def _read(pem: str) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except ValueError:
        raise UnusableIdentity("not a private key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UnusableIdentity("not an Ed25519 key")
    return key
