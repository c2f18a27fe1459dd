"""The key that signs tokens: a file that only its owner may read, made at the first start."""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from privacy_gateway.domain.tokens.jose import TokenSigner


def read_signer(path: Path, *, issuer: str, also_verify: Iterable[Path] = ()) -> TokenSigner:
    """`also_verify` are the keys before or after this one, while they are being exchanged.

    Raises ValueError for a key that others may read or that is of another kind.
    """
    others = [_read(other) for other in also_verify]
    return TokenSigner(_read(path), issuer=issuer, also_verify=others)


def create(path: Path) -> bool:
    """Makes a key unless there is one; of several at once, one makes it."""
    if path.exists():
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # Whole or not at all: written beside and linked, so that nobody reads half a key.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def _read(path: Path) -> str:
    if path.stat().st_mode & 0o077:
        raise ValueError(f"{path.name}: others may read this key; it must have mode 600")
    return path.read_text()
