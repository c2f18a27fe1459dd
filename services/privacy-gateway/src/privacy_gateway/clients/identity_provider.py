"""The company's identity provider, by its discovery document (OpenID Connect Discovery 1.0).

Both documents are fetched over https, or from an address that the operator listed; redirects are
failures, and what is too long or no JSON is no document.
"""

import asyncio
from typing import Any

import orjson

from privacy_gateway.clients.destinations import CONNECT_SECONDS, Destinations, Unreachable
from privacy_gateway.clients.endpoints import UnsafeEndpoint
from privity_rest import Unavailable

TOTAL_SECONDS = 5.0
LONGEST_DOCUMENT = 256 * 1024
WELL_KNOWN = "/.well-known/openid-configuration"


class ProviderUnavailable(Unavailable):
    code = "identity_provider_unavailable"
    title = "The identity provider does not answer as it should"


class IdentityProvider:
    def __init__(self, issuer: str, destinations: Destinations) -> None:
        """Raises UnsafeEndpoint for an issuer that nothing could be fetched from."""
        self.issuer = issuer
        self._destinations = destinations
        self._discovery = issuer.rstrip("/") + WELL_KNOWN
        destinations.allowed.parse(self._discovery)

    async def discover(self) -> str:
        """Where its keys are. Raises ProviderUnavailable."""
        body = await self._get(self._discovery)
        # Exactly: another provider on the same host must not speak for this one.
        if body.get("issuer") != self.issuer:
            raise ProviderUnavailable("another_issuer")
        where = body.get("jwks_uri")
        if not isinstance(where, str):
            raise ProviderUnavailable("no_keys_named")
        return where

    async def keys(self, where: str) -> list[dict[str, Any]]:
        """The key set as it was sent (RFC 7517). Raises ProviderUnavailable."""
        found = (await self._get(where)).get("keys")
        if not isinstance(found, list):
            raise ProviderUnavailable("no_keys")
        return [key for key in found if isinstance(key, dict)]

    async def _get(self, url: str) -> dict[str, Any]:
        try:
            destination = await self._destinations.find(url)
            async with (
                self._destinations.connected(destination) as connection,
                asyncio.timeout(TOTAL_SECONDS),
                connection.stream(
                    "GET",
                    destination.url,
                    headers=[("Accept", "application/json")],
                    extensions={"timeout": {"connect": CONNECT_SECONDS}},
                ) as response,
            ):
                if response.status != 200:
                    raise ProviderUnavailable(f"answer_{response.status}")
                body = bytearray()
                async for chunk in response.aiter_stream():
                    body += chunk
                    if len(body) > LONGEST_DOCUMENT:
                        raise ProviderUnavailable("too_long")
        except (Unreachable, UnsafeEndpoint) as exc:
            raise ProviderUnavailable(str(exc)) from None
        return _object(bytes(body))


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise ProviderUnavailable("no_json") from None
    if not isinstance(found, dict):
        raise ProviderUnavailable("no_json")
    return found
