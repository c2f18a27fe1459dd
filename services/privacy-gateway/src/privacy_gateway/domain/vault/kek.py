"""Key-encryption keys: they wrap the data keys, whose table therefore opens nothing by itself.

The keys lie in one local file. Whoever loses it loses every sealed value for good, and whoever
takes it together with the table of data keys can open them all: back it up, and apart from both.
"""

import base64
import contextlib
import fcntl
import json
import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from privity_rest import Unavailable

KEY_BYTES = 32
NONCE_BYTES = 12
BACK_IT_UP = "back it up, apart from the databases; without it nothing can be opened again"

_log = structlog.get_logger("privity.keys")


class UnusableKeyFile(ValueError):
    """Stops the start: the message names the file and what is wrong, never its content."""


class NotUnwrapped(Exception):
    """The wrapped key was altered, or moved to another row."""


class KeyEncryptionUnavailable(Unavailable):
    """What wraps keys does not answer, or this process does not know of it (yet)."""

    code = "key_encryption_unavailable"
    title = "The keys cannot be reached right now"


class StillNeeded(Exception):
    """The key that wraps is not taken away."""


@dataclass(slots=True)
class _Content:
    current: str
    keys: dict[str, bytes]


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
    """What wraps and unwraps. All but `holds` may raise KeyEncryptionUnavailable."""

    def holds(self, kek_id: str) -> bool: ...

    async def current(self) -> str:
        """The key that wraps; others may still unwrap."""

    async def rotate(self) -> str:
        """Makes another key the one that wraps, and gives its id."""

    async def wrap(self, material: bytes, belonging: Belonging) -> Wrapped: ...

    async def unwrap(self, wrapped: Wrapped, belonging: Belonging) -> bytes:
        """Raises NotUnwrapped."""

    async def close(self) -> None: ...


class KeyFile:
    """Read again whenever it was replaced: a rotation reaches processes that are running."""

    def __init__(self, *, current: str, keys: dict[str, bytes]) -> None:
        if current not in keys:
            raise UnusableKeyFile("the current key-encryption key is not among the keys")
        for kek_id, material in keys.items():
            if len(material) != KEY_BYTES:
                raise UnusableKeyFile(f"{kek_id}: a key-encryption key has {KEY_BYTES} bytes")
        self._current = current
        self._ciphers = {kek_id: AESGCM(material) for kek_id, material in keys.items()}
        self._path: Path | None = None
        self._stamp: object = None

    @classmethod
    def read(cls, path: Path) -> "KeyFile":
        """Raises UnusableKeyFile when others may read it, or when it is not what we wrote."""
        content, stamp = _read(path)
        file = cls(current=content.current, keys=content.keys)
        file._path, file._stamp = path, stamp
        return file

    @classmethod
    def read_or_create(cls, path: Path) -> "KeyFile":
        if not path.exists():
            create(path)
        return cls.read(path)

    def holds(self, kek_id: str) -> bool:
        if kek_id not in self._ciphers:
            self._look_again()
        return kek_id in self._ciphers

    async def current(self) -> str:
        self._look_again()
        return self._current

    async def wrap(self, material: bytes, belonging: Belonging) -> Wrapped:
        self._look_again()
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._ciphers[self._current].encrypt(nonce, material, belonging.bound)
        return Wrapped(self._current, nonce + sealed)

    async def unwrap(self, wrapped: Wrapped, belonging: Belonging) -> bytes:
        if not self.holds(wrapped.kek_id):
            raise KeyEncryptionUnavailable(f"{wrapped.kek_id} is not in the file of keys")
        nonce, sealed = wrapped.text[:NONCE_BYTES], wrapped.text[NONCE_BYTES:]
        try:
            return self._ciphers[wrapped.kek_id].decrypt(nonce, sealed, belonging.bound)
        except (InvalidTag, ValueError):
            raise NotUnwrapped(f"{belonging.key_id}: does not unwrap") from None

    async def rotate(self) -> str:
        kek_id = _new_id()
        with self._changing() as content:
            content.keys[kek_id] = os.urandom(KEY_BYTES)
            content.current = kek_id
        _log.warning("key_file_changed", file=self._path and self._path.name, note=BACK_IT_UP)
        return kek_id

    async def retire(self, kek_id: str) -> None:
        """Takes a key out of the file. Raises StillNeeded for the one that wraps."""
        with self._changing() as content:
            if kek_id == content.current:
                raise StillNeeded(f"{kek_id} wraps")
            content.keys.pop(kek_id, None)

    async def close(self) -> None:
        pass

    def _look_again(self) -> None:
        if self._path is None or _stamp(os.stat(self._path)) == self._stamp:
            return
        fresh = KeyFile.read(self._path)
        self._current, self._ciphers = fresh._current, fresh._ciphers
        self._stamp = fresh._stamp

    @contextlib.contextmanager
    def _changing(self) -> Iterator[_Content]:
        """What is in the file, written back whole and in one step; one change at a time."""
        if self._path is None:
            raise ValueError("these keys lie in no file")
        with _locked(self._path.parent):
            content, _ = _read(self._path)
            yield content
            draft = _draft(self._path, content)
            draft.rename(self._path)
            _sync_folder(self._path.parent)
        self._look_again()


def create(path: Path) -> None:
    """Writes a file with one fresh key. Of two processes that start at once, the first one wins."""
    kek_id = _new_id()
    draft = _draft(path, _Content(kek_id, {kek_id: os.urandom(KEY_BYTES)}))
    try:
        # A link appears whole or not at all, and never over a file that is already there.
        os.link(draft, path)
        _sync_folder(path.parent)
    except FileExistsError:
        return
    finally:
        draft.unlink()
    _log.warning("key_file_created", file=path.name, note=BACK_IT_UP)


def _read(path: Path) -> tuple[_Content, object]:
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
        return _Content(str(held["current"]), keys), _stamp(found)
    except (ValueError, KeyError, TypeError, AttributeError):
        # The parser's own message quotes what it could not read.
        raise UnusableKeyFile(f"{path.name}: not a file of key-encryption keys") from None


def _draft(path: Path, content: _Content) -> Path:
    """Written whole beside its place, for its owner alone."""
    keys = {kek_id: base64.b64encode(raw).decode() for kek_id, raw in content.keys.items()}
    text = json.dumps({"current": content.current, "keys": keys}, indent=1).encode()
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    return draft


def _new_id() -> str:
    return f"kek_{secrets.token_hex(8)}"


def _stamp(found: os.stat_result) -> object:
    return found.st_ino, found.st_mtime_ns, found.st_size


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
