"""Secret files, readable by their owner alone. A key is made once and never replaced."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

PUBLISHED = frozenset({"ed25519", "log_signer"})
"""Kinds whose public half is put beside them, as `.pub`."""
NO_HEADS = "{}\n"
"""What a signer of checkpoints has signed when its key is new: nothing yet."""


class Secrets:
    """One folder of secret files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        return self.folder / name

    def read(self, name: str) -> str:
        return self.path(name).read_text().strip()

    def ensure(self, name: str, kind: str) -> Path:
        """Makes the file unless it is there; of two that make it at once, one wins for both."""
        path = self.path(name)
        self._close_folders(path)
        if not path.exists():
            if kind == "log_signer":
                # Only ever made with the key: a signer that lost its heads must not start afresh.
                _place(path.with_suffix(".heads"), NO_HEADS)
            _place(path, _new(kind))
        path.chmod(0o600)
        public = path.with_suffix(".pub")
        if kind in PUBLISHED and not public.exists():
            _place(public, _public_half(path))
        return path

    def replace(self, name: str, content: str) -> None:
        """For a file that is written anew at every start."""
        path = self.path(name)
        self._close_folders(path)
        unfinished = _written(path.parent, content)
        unfinished.rename(path)

    def _close_folders(self, path: Path) -> None:
        for folder in reversed(path.relative_to(self.folder).parents):
            (self.folder / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.folder / folder).chmod(0o700)

    def role_password(self, role: str) -> str:
        return self.ensure(f"databases/{role}", "random").read_text().strip()


def _new(kind: str) -> str:
    if kind in PUBLISHED:
        signer = ed25519.Ed25519PrivateKey.generate()
        return signer.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    if kind == "es256":
        key = ec.generate_private_key(ec.SECP256R1())
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return secrets.token_hex(32) + "\n"


def _public_half(path: Path) -> str:
    key = load_pem_private_key(path.read_bytes(), password=None).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _place(path: Path, content: str) -> None:
    # Written whole beside its place, then linked: nobody ever reads half a key, and a link,
    # unlike a rename, does not replace a key that another start has just put there.
    unfinished = _written(path.parent, content)
    try:
        os.link(unfinished, path)
    except FileExistsError:
        return
    finally:
        unfinished.unlink()


def _written(folder: Path, content: str) -> Path:
    """A temporary file, which only its owner may read from the start."""
    descriptor, name = tempfile.mkstemp(dir=folder)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)
