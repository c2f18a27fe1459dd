"""OpenBao's and HashiCorp Vault's transit engine.

https://openbao.org/api-docs/secret/transit/ — the key is of type aes256-gcm96; the text goes in as
`associated_data`. The token is read from its file again when it is refused: an agent renews it.
"""

import base64
from pathlib import Path
from typing import Any

import orjson

from privacy_gateway.clients.key_services.exchange import (
    Exchange,
    KeyServiceRefused,
    KeyServiceUnavailable,
)


class Transit:
    def __init__(self, url: str, *, key: str, mount: str = "transit", token_file: Path) -> None:
        self.name = f"transit:{mount}/{key}"
        self._exchange = Exchange(url)
        self._mount, self._key = mount, key
        self._token_file = token_file
        self._token = ""

    async def wrap(self, material: bytes, bound: str) -> tuple[str, bytes]:
        """The version of the key that wrapped, and the result."""
        data = await self._ask("encrypt", plaintext=_text(material), bound=bound)
        ciphertext = str(data["ciphertext"])
        return _version(ciphertext), ciphertext.encode()

    async def unwrap(self, wrapped: bytes, bound: str) -> bytes:
        data = await self._ask(
            "decrypt", ciphertext=wrapped.decode("ascii", "replace"), bound=bound
        )
        return base64.b64decode(data["plaintext"])

    async def version(self) -> str:
        """Of the key that wraps now."""
        status, found = await self._call("GET", f"/v1/{self._mount}/keys/{self._key}")
        if status != 200:
            raise KeyServiceUnavailable(f"status {status}")
        return f"v{found['data']['latest_version']}"

    async def rotate(self) -> None:
        """Makes another version of the key; the earlier ones still unwrap."""
        status, _ = await self._call("POST", f"/v1/{self._mount}/keys/{self._key}/rotate")
        if status not in {200, 204}:
            raise KeyServiceUnavailable(f"status {status}")

    async def close(self) -> None:
        await self._exchange.close()

    async def _ask(self, what: str, *, bound: str, **members: str) -> dict[str, Any]:
        body = orjson.dumps({**members, "associated_data": _text(bound.encode())})
        path = f"/v1/{self._mount}/{what}/{self._key}"
        status, found = await self._call("POST", path, body)
        if status == 400 and what == "decrypt":
            raise KeyServiceRefused("does not unwrap")
        if status != 200:
            raise KeyServiceUnavailable(f"status {status}")
        return dict(found["data"])

    async def _call(self, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, Any]]:
        for fresh in (False, True):
            if fresh or not self._token:
                self._token = self._token_file.read_text().strip()
            headers = {"X-Vault-Token": self._token, "Content-Type": "application/json"}
            status, found = await self._exchange.call(method, path, body, headers=headers)
            if status != 403:
                break
        return status, found


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _version(ciphertext: str) -> str:
    """`vault:v3:…` was wrapped by version 3."""
    return ciphertext.split(":", 2)[1]
