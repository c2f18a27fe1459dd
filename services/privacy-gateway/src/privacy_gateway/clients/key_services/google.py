"""Google Cloud KMS over REST. Credentials are google-auth's, which is imported only here.

https://cloud.google.com/kms/docs/reference/rest — the text goes in as additional authenticated
data. Both directions carry CRC32C sums, as Google asks, so that a key damaged on its way is not
taken for a good one.
"""

import asyncio
import base64
from typing import Any

import orjson

from privacy_gateway.clients.key_services.exchange import (
    Exchange,
    KeyServiceRefused,
    KeyServiceUnavailable,
)

URL = "https://cloudkms.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/cloudkms"
_POLYNOMIAL = 0x82F63B78  # Castagnoli, reflected (RFC 3720, B.4)


class GoogleKms:
    def __init__(self, key: str, *, url: str = URL) -> None:
        """`key` is `projects/…/locations/…/keyRings/…/cryptoKeys/…`."""
        import google.auth  # noqa: PLC0415  # only when chosen

        self.name = f"google:{key}"
        self._key = key
        self._exchange = Exchange(url)
        self._credentials: Any = google.auth.default(scopes=[_SCOPE])[0]

    async def wrap(self, material: bytes, bound: str) -> tuple[str, bytes]:
        found = await self._ask("encrypt", plaintext=material, bound=bound)
        wrapped = base64.b64decode(found["ciphertext"])
        whole = found.get("verifiedPlaintextCrc32c") and found.get(
            "verifiedAdditionalAuthenticatedDataCrc32c"
        )
        if not whole or int(found["ciphertextCrc32c"]) != crc32c(wrapped):
            raise KeyServiceUnavailable("damaged on its way")
        return str(found["name"]).rpartition("/")[2], wrapped

    async def unwrap(self, wrapped: bytes, bound: str) -> bytes:
        found = await self._ask("decrypt", ciphertext=wrapped, bound=bound)
        material = base64.b64decode(found["plaintext"])
        if int(found["plaintextCrc32c"]) != crc32c(material):
            raise KeyServiceUnavailable("damaged on its way")
        return material

    async def version(self) -> str:
        """Of the key that wraps now."""
        found = await self._call("GET", f"/v1/{self._key}")
        return str(found["primary"]["name"]).rpartition("/")[2]

    async def rotate(self) -> None:
        """Makes another version the primary one; the earlier ones still unwrap."""
        made = await self._call("POST", f"/v1/{self._key}/cryptoKeyVersions", b"{}")
        version = str(made["name"]).rpartition("/")[2]
        body = orjson.dumps({"cryptoKeyVersionId": version})
        await self._call("POST", f"/v1/{self._key}:updatePrimaryVersion", body)

    async def close(self) -> None:
        await self._exchange.close()

    async def _ask(self, what: str, *, bound: str, **value: bytes) -> dict[str, Any]:
        [(name, raw)] = value.items()
        text = bound.encode()
        body = {
            name: base64.b64encode(raw).decode(),
            f"{name}Crc32c": str(crc32c(raw)),
            "additionalAuthenticatedData": base64.b64encode(text).decode(),
            "additionalAuthenticatedDataCrc32c": str(crc32c(text)),
        }
        path = f"/v1/{self._key}:{what}"
        return await self._call("POST", path, orjson.dumps(body), refuses=what == "decrypt")

    async def _call(
        self, method: str, path: str, body: bytes = b"", *, refuses: bool = False
    ) -> dict[str, Any]:
        headers = await asyncio.to_thread(self._authorized)
        status, found = await self._exchange.call(method, path, body, headers=headers)
        if status == 400 and refuses:
            raise KeyServiceRefused("does not unwrap")
        if status != 200:
            raise KeyServiceUnavailable(f"status {status}")
        return found

    def _authorized(self) -> dict[str, str]:
        from google.auth.transport.requests import Request  # noqa: PLC0415  # as above

        headers = {"Content-Type": "application/json"}
        self._credentials.before_request(Request(), "POST", self._exchange.url, headers)
        return headers


def crc32c(raw: bytes) -> int:
    """Castagnoli's. Of a few hundred bytes, so bit by bit will do."""
    crc = 0xFFFFFFFF
    for byte in raw:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
