"""Which key-encryption keys there are: one that wraps, and those before it, which still unwrap.

They lie in a local file or in a key service, in any mixture; moving from one to another is a
rotation like any other.
"""

import base64
import hashlib
from collections.abc import Sequence
from typing import Protocol

from privacy_gateway.clients.key_services.exchange import KeyServiceRefused, KeyServiceUnavailable
from privacy_gateway.domain.vault.kek import (
    Belonging,
    KeyEncryption,
    KeyEncryptionUnavailable,
    NotUnwrapped,
    Wrapped,
)


class KeyService(Protocol):
    """AWS KMS, Google Cloud KMS, OpenBao's transit. All raise KeyServiceUnavailable."""

    name: str

    async def wrap(self, material: bytes, bound: str) -> tuple[str, bytes]: ...

    async def unwrap(self, wrapped: bytes, bound: str) -> bytes:
        """Raises KeyServiceRefused."""

    async def version(self) -> str: ...

    async def rotate(self) -> None: ...

    async def close(self) -> None: ...


class ServiceKeys:
    """The keys of one key service, as `name#version`."""

    def __init__(self, service: KeyService) -> None:
        self._service = service

    def holds(self, kek_id: str) -> bool:
        return kek_id.partition("#")[0] == self._service.name

    async def current(self) -> str:
        try:
            return _kek_id(self._service, await self._service.version())
        except KeyServiceUnavailable as exc:
            raise KeyEncryptionUnavailable(str(exc)) from None

    async def rotate(self) -> str:
        try:
            await self._service.rotate()
        except KeyServiceUnavailable as exc:
            raise KeyEncryptionUnavailable(str(exc)) from None
        return await self.current()

    async def wrap(self, material: bytes, belonging: Belonging) -> Wrapped:
        try:
            version, text = await self._service.wrap(material, _bound(belonging))
        except KeyServiceUnavailable as exc:
            raise KeyEncryptionUnavailable(str(exc)) from None
        return Wrapped(_kek_id(self._service, version), text)

    async def unwrap(self, wrapped: Wrapped, belonging: Belonging) -> bytes:
        try:
            return await self._service.unwrap(wrapped.text, _bound(belonging))
        except KeyServiceRefused:
            raise NotUnwrapped(f"{belonging.key_id}: does not unwrap") from None
        except KeyServiceUnavailable as exc:
            raise KeyEncryptionUnavailable(str(exc)) from None

    async def close(self) -> None:
        await self._service.close()


class KeyRing:
    """The first one wraps."""

    def __init__(self, keys: Sequence[KeyEncryption]) -> None:
        if not keys:
            raise ValueError("something must wrap")
        self._keys = list(keys)

    def holds(self, kek_id: str) -> bool:
        return any(each.holds(kek_id) for each in self._keys)

    async def current(self) -> str:
        return await self._keys[0].current()

    async def rotate(self) -> str:
        return await self._keys[0].rotate()

    async def wrap(self, material: bytes, belonging: Belonging) -> Wrapped:
        return await self._keys[0].wrap(material, belonging)

    async def unwrap(self, wrapped: Wrapped, belonging: Belonging) -> bytes:
        for each in self._keys:
            if each.holds(wrapped.kek_id):
                return await each.unwrap(wrapped, belonging)
        raise KeyEncryptionUnavailable(f"nothing here holds {wrapped.kek_id}")

    async def close(self) -> None:
        for each in self._keys:
            await each.close()


def _kek_id(service: KeyService, version: str) -> str:
    return f"{service.name}#{version}" if version else service.name


def _bound(belonging: Belonging) -> str:
    """A digest: a key service's own log of calls names nobody."""
    digest = hashlib.sha256(belonging.bound).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
