"""What a gateway process signs: itself once, by the gateway's identity, and then each batch.

Batches of one process form a chain: each names the one before it by hash, so that one can neither
vanish nor change places. Each says how many records it has and commits to their leaves in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from privity_transparency.encoding import HASH_BYTES
from privity_transparency.note import NotSigned

FIRST_PREVIOUS = bytes(HASH_BYTES)
"""What batch number 0 has in place of a predecessor."""
_STAMP = "%Y-%m-%dT%H:%M:%S.%fZ"
_PROCESS = re.compile(r"prc_[0-9a-z]{26}")


@dataclass(frozen=True, slots=True)
class Batch:
    process: str
    number: int
    previous: bytes
    records: int
    leaves: bytes
    """See `leaves_hash`."""

    def __post_init__(self) -> None:
        hashes = (self.previous, self.leaves)
        if (
            _PROCESS.fullmatch(self.process) is None
            or self.number < 0
            or self.records < 1
            or any(len(each) != HASH_BYTES for each in hashes)
        ):
            raise ValueError("not a batch")

    @property
    def text(self) -> bytes:
        """What is signed."""
        return (
            f"privity-batch/v1\n{self.process}\n{self.number}\n{self.previous.hex()}\n"
            f"{self.records}\n{self.leaves.hex()}\n"
        ).encode()

    @property
    def hash(self) -> bytes:
        """What the next batch names as its `previous`."""
        return sha256(self.text).digest()

    def sign(self, key: Ed25519PrivateKey) -> bytes:
        return key.sign(self.text)

    def verify(self, signature: bytes, public_key: bytes) -> None:
        """Raises NotSigned."""
        _verify(self.text, signature, public_key, "batch")


@dataclass(frozen=True, slots=True)
class Process:
    """A gateway process and its key, made when it starts."""

    process: str
    public_key: bytes
    started_at: datetime

    def __post_init__(self) -> None:
        wrong = _PROCESS.fullmatch(self.process) is None or len(self.public_key) != HASH_BYTES
        if wrong or self.started_at.tzinfo is None:
            raise ValueError("not a process")

    @property
    def stamp(self) -> str:
        """When it started: UTC with microseconds."""
        return self.started_at.astimezone(UTC).strftime(_STAMP)

    @property
    def text(self) -> bytes:
        """What is signed."""
        key = self.public_key.hex()
        return f"privity-process/v1\n{self.process}\n{key}\n{self.stamp}\n".encode()

    @staticmethod
    def at(process: str, public_key: bytes, stamp: str) -> Process:
        started_at = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
        return Process(process, public_key, started_at)

    def certify(self, identity: Ed25519PrivateKey) -> bytes:
        """The certificate, by the gateway's audit identity."""
        return identity.sign(self.text)

    def verify(self, certificate: bytes, identity: bytes) -> None:
        """Raises NotSigned unless the gateway's identity vouches for this process."""
        _verify(self.text, certificate, identity, "process")


def leaves_hash(hashed_leaves: Iterable[bytes]) -> bytes:
    """SHA-256 over the leaf hashes (RFC 6962) of a batch, one after the other."""
    return sha256(b"".join(hashed_leaves)).digest()


def _verify(text: bytes, signature: bytes, public_key: bytes, what: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, text)
    except (InvalidSignature, ValueError):
        raise NotSigned(f"invalid signature of the {what}") from None
