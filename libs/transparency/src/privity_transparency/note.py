"""Signed notes (c2sp.org/signed-note): text, and lines that say who signed it.

Two kinds of keys are known: Ed25519 (0x01), which signs the text, and cosignature/v1 (0x04,
c2sp.org/tlog-cosignature), with which a witness signs the text and the time. Signatures of
other keys and other kinds are ignored, as the specification asks.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from privity_transparency.encoding import Malformed, base64_text, from_base64

ED25519: Final = 0x01
COSIGNATURE: Final = 0x04
_MOST_SIGNATURES = 100
_LONGEST = 1_000_000
NAME = re.compile(r"[^\s+]+")  # Unicode's spaces too
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_SIGNATURE_BYTES = {ED25519: 64, COSIGNATURE: 8 + 64}


class NotSigned(ValueError):
    """No key that we trust signed this text, or one of them did not sign it as it stands."""


class VerifierKey(NamedTuple):
    """A public key with its owner's name: written `name+keyid+base64`."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        content = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return sha256(content).digest()[:4]

    def __str__(self) -> str:
        encoded = base64_text(bytes([self.kind]) + self.public)
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    @staticmethod
    def parse(text: str) -> VerifierKey:
        name, plus, rest = text.partition("+")
        key_id, second_plus, encoded = rest.partition("+")
        if not plus or not second_plus or NAME.fullmatch(name) is None:
            raise Malformed("not a verifier key")
        raw = from_base64(encoded)
        if len(raw) != 33 or raw[0] not in _SIGNATURE_BYTES:
            raise Malformed("a verifier key of a kind that is not known here")
        key = VerifierKey(name, raw[0], raw[1:])
        if key.key_id.hex() != key_id:
            raise Malformed("the verifier key's id is not its own")
        return key


class SignatureLine(NamedTuple):
    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"— {self.name} {base64_text(self.key_id + self.signature)}\n"

    @staticmethod
    def parse(line: str) -> SignatureLine:
        """Without its newline."""
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        raw = from_base64(encoded, stray_bits=True)
        if dash != "—" or NAME.fullmatch(name) is None or len(raw) < 5:
            raise Malformed("not a signature line")
        return SignatureLine(name, raw[:4], raw[4:])


class Verified(NamedTuple):
    """A signature that verified; `time` in seconds since 1970 when it is a cosignature."""

    key: VerifierKey
    time: int | None


@dataclass(frozen=True)
class Note:
    """Text, ending in a newline, and its signatures. Nothing is verified by parsing it."""

    text: str
    signatures: tuple[SignatureLine, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(map(str, self.signatures))}"

    def with_signatures(self, *added: SignatureLine) -> Note:
        return Note(self.text, (*self.signatures, *added))

    @staticmethod
    def parse(content: str | bytes) -> Note:
        note = _decoded(content)
        text, blank, lines = note.rpartition("\n\n")
        if not blank or not lines.endswith("\n"):
            raise Malformed("a note is text, an empty line and signature lines")
        parsed = [SignatureLine.parse(line) for line in lines[:-1].split("\n")]
        if len(parsed) > _MOST_SIGNATURES:
            raise Malformed("too many signatures")
        return Note(text + "\n", tuple(parsed))


@dataclass(frozen=True)
class NoteSigner:
    """A private key with a name."""

    name: str
    kind: int
    _key: Ed25519PrivateKey = field(repr=False)

    @property
    def verifier(self) -> VerifierKey:
        return VerifierKey(self.name, self.kind, self._key.public_key().public_bytes_raw())

    def sign(self, text: str, *, time: int | None = None) -> SignatureLine:
        """`time`, in seconds since 1970, is for cosignatures, and only for them."""
        if (time is not None) != (self.kind == COSIGNATURE):
            raise ValueError("a cosignature has a time, a signature has none")
        stamp = b"" if time is None else time.to_bytes(8, "big")
        signature = stamp + self._key.sign(_message(text, self.kind, stamp))
        return SignatureLine(self.name, self.verifier.key_id, signature)


def verify(note: Note, keys: Collection[VerifierKey]) -> list[Verified]:
    """Whose signatures verified, in the order of the note.

    Raises NotSigned when one of these keys' signatures does not verify, or none is there.
    """
    known = {(key.name, key.key_id): key for key in keys}
    verified: dict[VerifierKey, Verified] = {}
    for line in note.signatures:
        key = known.get((line.name, line.key_id))
        if key is not None:
            verified.setdefault(key, _verified(note.text, line, key))
    if not verified:
        raise NotSigned("no key that is trusted here signed the note")
    return list(verified.values())


def _verified(text: str, line: SignatureLine, key: VerifierKey) -> Verified:
    signature = line.signature
    if len(signature) != _SIGNATURE_BYTES[key.kind]:
        raise NotSigned(f"invalid signature of {key.name}")
    stamp, signature = signature[:-64], signature[-64:]
    if stamp and stamp[0] & 0x80:
        raise NotSigned(f"invalid time in the signature of {key.name}")
    try:
        public = Ed25519PublicKey.from_public_bytes(key.public)
        public.verify(signature, _message(text, key.kind, stamp))
    except (InvalidSignature, ValueError):
        raise NotSigned(f"invalid signature of {key.name}") from None
    return Verified(key, int.from_bytes(stamp, "big") if stamp else None)


def _message(text: str, kind: int, stamp: bytes) -> bytes:
    if kind == COSIGNATURE:
        text = f"cosignature/v1\ntime {int.from_bytes(stamp, 'big')}\n{text}"
    return text.encode()


def _decoded(content: str | bytes) -> str:
    if len(content) > _LONGEST:
        raise Malformed("the note is too long")
    try:
        note = content.decode() if isinstance(content, bytes) else content
        note.encode()
    except UnicodeError:
        raise Malformed("the note is not UTF-8") from None
    if _CONTROL.search(note):
        raise Malformed("a control character in the note")
    return note
