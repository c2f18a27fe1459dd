"""Who the carrier is to the shop: its id there, the shared secrets, its own private key."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey


@dataclass(slots=True)
class Identity:
    """What the shop and the carrier agreed on. May be told while the carrier runs."""

    key: ECKey
    gateway_url: str | None = None
    recipient_id: str | None = None
    webhook_secret: str | None = None
    callback_secret: str | None = None

    def public_key(self) -> dict[str, Any]:
        return {
            **self.key.as_dict(private=False),
            "kid": self.key.thumbprint(),
            "use": "enc",
            "alg": "ECDH-ES+A256KW",
        }


def from_environment() -> Identity:
    """Everything is optional: what is not known yet comes through `PUT /identity`."""
    secret_file = os.environ.get("CARRIER_WEBHOOK_SECRET_FILE")
    return Identity(
        key=_private_key(os.environ.get("CARRIER_PRIVATE_KEY_FILE")),
        gateway_url=os.environ.get("CARRIER_GATEWAY_URL"),
        recipient_id=os.environ.get("CARRIER_RECIPIENT_ID"),
        webhook_secret=Path(secret_file).read_text().strip() if secret_file else None,
    )


def _private_key(name: str | None) -> ECKey:
    """From its file, which is made if it is not there; without a file, for this run only."""
    if name is None:
        return ECKey.generate_key("P-256")
    path = Path(name)
    if path.exists():
        return ECKey.import_key(path.read_bytes())
    key = ECKey.generate_key("P-256")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.as_pem(private=True))
    return key
