"""AWS KMS: plain HTTP. Credentials and signatures are botocore's, which is imported only here.

https://docs.aws.amazon.com/kms/latest/APIReference/ — the text goes in as encryption context. AWS
rotates what is behind a key by itself and keeps what it was: its versions have no name.
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

_REFUSALS = {"InvalidCiphertextException", "IncorrectKeyException"}


class AwsKms:
    def __init__(self, key_id: str, *, region: str, url: str | None = None) -> None:
        """Raises ValueError when nothing here could sign a request."""
        from botocore.session import Session  # noqa: PLC0415  # a second, and only when chosen

        self.name = f"aws:{key_id}"
        self._key_id, self._region = key_id, region
        self._exchange = Exchange(url or f"https://kms.{region}.amazonaws.com")
        self._credentials = Session().get_credentials()
        if self._credentials is None:
            raise ValueError("there are no AWS credentials here")

    async def wrap(self, material: bytes, bound: str) -> tuple[str, bytes]:
        found = await self._ask(
            "Encrypt", KeyId=self._key_id, Plaintext=_text(material), EncryptionContext=_for(bound)
        )
        return "", base64.b64decode(found["CiphertextBlob"])

    async def unwrap(self, wrapped: bytes, bound: str) -> bytes:
        found = await self._ask(
            "Decrypt",
            KeyId=self._key_id,
            CiphertextBlob=_text(wrapped),
            EncryptionContext=_for(bound),
        )
        return base64.b64decode(found["Plaintext"])

    async def version(self) -> str:
        return ""

    async def rotate(self) -> None:
        """A year's rotation goes by itself; this is one more of it, now."""
        await self._ask("RotateKeyOnDemand", KeyId=self._key_id)

    async def close(self) -> None:
        await self._exchange.close()

    async def _ask(self, action: str, **members: Any) -> dict[str, Any]:
        body = orjson.dumps(members)
        # Renewing short-lived credentials asks the network, and waits for it.
        headers = await asyncio.to_thread(self._signed, action, body)
        status, found = await self._exchange.call("POST", "/", body, headers=headers)
        if status == 200:
            return found
        kind = str(found.get("__type", "")).rpartition("#")[2]
        if action == "Decrypt" and kind in _REFUSALS:
            raise KeyServiceRefused("does not unwrap")
        raise KeyServiceUnavailable(f"status {status}")

    def _signed(self, action: str, body: bytes) -> dict[str, str]:
        from botocore.auth import SigV4Auth  # noqa: PLC0415  # as above
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415

        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"TrentService.{action}",
        }
        request = AWSRequest("POST", f"{self._exchange.url}/", headers=headers, data=body)
        frozen = self._credentials.get_frozen_credentials()
        SigV4Auth(frozen, "kms", self._region).add_auth(request)
        return dict(request.headers.items())


def _for(bound: str) -> dict[str, str]:
    return {"privity": bound}


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
