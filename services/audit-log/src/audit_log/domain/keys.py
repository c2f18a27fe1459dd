"""Keys in files: private ones closed to others, public ones with the name they go by."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_pem_public_key,
)

from privity_transparency.note import ED25519, NoteSigner, VerifierKey

_END = b"-----END PUBLIC KEY-----"


def read_signer(path: Path, *, name: str, kind: int) -> NoteSigner:
    """Raises ValueError when the key is of another kind or its file open to others."""
    if path.stat().st_mode & 0o077:
        raise ValueError(f"{path.name}: others may read this key; it must have mode 600")
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path.name}: not an Ed25519 key")
    return NoteSigner(name, kind, key)


def log_key(given: str, *, origin: str, kind: int = ED25519) -> VerifierKey:
    """A verifier key as text, or the path of a public key that goes by the log's own name."""
    if not given.startswith("/"):
        return VerifierKey.parse(given)
    return VerifierKey(origin, kind, read_public(Path(given)))


def read_public(path: Path) -> bytes:
    """Raises ValueError, also when the file holds several."""
    keys = read_publics(path)
    if len(keys) != 1:
        raise ValueError(f"{path.name}: one key, and not {len(keys)}")
    return keys[0]


def read_publics(path: Path) -> tuple[bytes, ...]:
    """One or several in one file: two while one key takes over from another. Raises ValueError."""
    *texts, rest = path.read_bytes().split(_END)
    keys = [load_pem_public_key(text + _END) for text in texts]
    if rest.strip() or not keys:
        raise ValueError(f"{path.name}: not a public key in PEM")
    if not all(isinstance(key, Ed25519PublicKey) for key in keys):
        raise ValueError(f"{path.name}: not an Ed25519 key")
    return tuple(key.public_bytes_raw() for key in keys if isinstance(key, Ed25519PublicKey))
