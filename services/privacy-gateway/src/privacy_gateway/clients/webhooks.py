"""Deliveries to partners' endpoints, and to nothing else that an endpoint could be made to name.

Redirects are not followed, and the body of an answer is not read: nothing in it is ours to know.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import dns.asyncresolver
from httpcore import AsyncNetworkBackend

from privacy_gateway.clients.destinations import (
    CONNECT_SECONDS,
    Destination,
    Destinations,
    Unreachable,
)
from privacy_gateway.clients.endpoints import AllowedAddresses, UnsafeEndpoint

TOTAL_SECONDS = 10.0
AT_ONCE = 4
"""Deliveries under way to one recipient: what a dead partner can hold is this and no more."""
PATIENCE_SECONDS = 0.5


class AllTaken(Exception):
    """As many deliveries to this recipient are under way as may be."""


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    status: int
    retry_after: str | None


class Webhooks:
    def __init__(
        self,
        *,
        allowed: AllowedAddresses,
        resolver: dns.asyncresolver.Resolver | None = None,
        certificates: ssl.SSLContext | None = None,
        network: AsyncNetworkBackend | None = None,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self.allowed = allowed
        self._destinations = Destinations(
            allowed=allowed, resolver=resolver, certificates=certificates, network=network
        )
        self._total_seconds = total_seconds
        self._turns: dict[str, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def turn(self, recipient_id: str) -> AsyncIterator[None]:
        """A place among the deliveries to one recipient. Raises AllTaken."""
        places = self._turns.setdefault(recipient_id, asyncio.Semaphore(AT_ONCE))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await places.acquire()
        except TimeoutError:
            raise AllTaken(recipient_id) from None
        try:
            yield
        finally:
            places.release()

    async def find(self, url: str) -> Destination:
        """Raises UnsafeEndpoint or Unreachable."""
        return await self._destinations.find(url)

    async def post(
        self, destination: Destination, *, body: bytes, headers: Mapping[str, str]
    ) -> WebhookAnswer:
        """Raises Unreachable."""
        async with (
            self._destinations.connected(destination) as connection,
            asyncio.timeout(self._total_seconds),
            connection.stream(
                "POST",
                destination.url,
                headers=[(name, value) for name, value in headers.items()],
                content=body,
                extensions={"timeout": {"connect": CONNECT_SECONDS}},
            ) as response,
        ):
            return WebhookAnswer(response.status, _header(response.headers, b"retry-after"))


def _header(headers: Sequence[tuple[bytes, bytes]], wanted: bytes) -> str | None:
    for name, value in headers:
        if name.lower() == wanted:
            return value.decode("latin-1")
    return None


__all__ = [
    "AllTaken",
    "Destination",
    "Unreachable",
    "UnsafeEndpoint",
    "WebhookAnswer",
    "Webhooks",
]
