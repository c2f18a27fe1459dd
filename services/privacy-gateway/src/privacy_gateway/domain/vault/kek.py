"""Key-encryption keys: they wrap the data keys, whose table therefore opens nothing by itself.

The keys lie in one local file. Whoever loses it loses every sealed value for good, and whoever
takes it together with the table of data keys can open them all: back it up, and apart from both.
"""

import base64
import json
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12

_log = structlog.get_logger("privity.keys")


class UnusableKeyFile(ValueError):
    """Stops the start: the message names the file and what is wrong, never its content."""


class NotUnwrapped(Exception):
    """The wrapped key was altered, or moved to another row."""


class KeyEncryptionUnavailable(Exception):
    """What wraps keys does not answer, or this process does not know of it (yet)."""


class Wrapped(NamedTuple):
    kek_id: str
    text: bytes


@dataclass(frozen=True, slots=True)
class Belonging:
    """What a data key is for. It is bound into the wrapping: a row's key opens in no other row."""

    key_id: str
    subject: str
    scope: str
    retention_class: str

    @property
    def bound(self) -> bytes:
        return f"w1|{self.key_id}|{self.subject}|{self.scope}|{self.retention_class}".encode()


class KeyEncryption(Protocol):
    """What wraps and unwraps. Both raise KeyEncryptionUnavailable."""

    @property
    def current(self) -> str:
        """The key that wraps; others may still unwrap."""

    async def wrap(self, material: bytes, belonging: Belonging) -> Wrapped: ...

    async def unwrap(self, wrapped: Wrapped, belonging: Belonging) -> bytes:
        """Raises NotUnwrapped."""


class KeyFile:
    def __init__(self, *, current: str, keys: dict[str, bytes]) -> None:
        if current not in keys:
            raise UnusableKeyFile("the current key-encryption key is not among the keys")
        for kek_id, material in keys.items():
            if len(material) != KEY_BYTES:
                raise UnusableKeyFile(f"{kek_id}: a key-encryption key has {KEY_BYTES} bytes")
        self.current = current
        self._ciphers = {kek_id: AESGCM(material) for kek_id, material in keys.items()}

    @classmethod
    def read(cls, path: Path) -> "KeyFile":
        """Raises UnusableKeyFile when others may read it, or when it is not what we wrote."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077:
                raise UnusableKeyFile(f"{path.name}: a regular file of mode 600 is needed")
            content = file.read()
        try:
            held = json.loads(content)
            keys = {
                str(kek_id): base64.b64decode(text, validate=True)
                for kek_id, text in held["keys"].items()
            }
            return cls(current=str(held["current"]), keys=keys)
        except UnusableKeyFile:
            raise
        except (ValueError, KeyError, TypeError, AttributeError):
            # The parser's own message quotes what it could not read.
            raise UnusableKeyFile(f"{path.name}: not a file of key-encryption keys") from None

    @classmethod
    def read_or_create(cls, path: Path) -> "KeyFile":
        if not path.exists():
            create(path)
        return cls.read(path)

    async def wrap(self, material: bytes, belonging: Belonging) -> Wrapped:
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._ciphers[self.current].encrypt(nonce, material, belonging.bound)
        return Wrapped(self.current, nonce + sealed)

    async def unwrap(self, wrapped: Wrapped, belonging: Belonging) -> bytes:
        cipher = self._ciphers.get(wrapped.kek_id)
        if cipher is None:
            raise KeyEncryptionUnavailable(f"{wrapped.kek_id} is not in the file of keys")
        nonce, sealed = wrapped.text[:NONCE_BYTES], wrapped.text[NONCE_BYTES:]
        try:
            return cipher.decrypt(nonce, sealed, belonging.bound)
        except (InvalidTag, ValueError):
            raise NotUnwrapped(f"{belonging.key_id}: does not unwrap") from None


def create(path: Path) -> None:
    """Writes a file with one fresh key. Of two processes that start at once, the first one wins."""
    kek_id = f"kek_{secrets.token_hex(8)}"
    material = base64.b64encode(os.urandom(KEY_BYTES)).decode()
    content = json.dumps({"current": kek_id, "keys": {kek_id: material}}, indent=1).encode()

    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        # A link appears whole or not at all, and never over a file that is already there.
        os.link(draft, path)
        _sync_folder(path.parent)
    except FileExistsError:
        return
    finally:
        draft.unlink()
    _log.warning("key_file_created", file=path.name, note="back it up, apart from the databases")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
