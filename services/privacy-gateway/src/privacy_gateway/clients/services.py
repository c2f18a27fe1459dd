"""The services behind the gateway: keep-alive HTTP over Unix sockets, or a private network."""

import asyncio
from collections.abc import Mapping
from typing import Self

from privacy_gateway.clients.connections import Answer, ConnectionLost, Connections
from privacy_gateway.clients.published import Published, View
from privacy_gateway.settings import Endpoint
from privity_rest import Unavailable, read_secret

UpstreamAnswer = Answer


class ServiceUnavailable(Unavailable):
    code = "service_unavailable"


class Services:
    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self._endpoints = dict(endpoints)
        self._connections: dict[str, Connections] = {}
        self._published: list[Published] = []

    async def __aenter__(self) -> Self:
        for name, endpoint in self._endpoints.items():
            self._connections[name] = Connections.to(
                socket=endpoint.socket,
                url=endpoint.url,
                name=name,
                fixed={"Authorization": f"Bearer {read_secret(endpoint.inbound_key_file)}"},
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        for connections in self._connections.values():
            connections.close()
        for published in self._published:
            published.close()

    def __contains__(self, service: str) -> bool:
        return service in self._endpoints

    def published(self, service: str, view: View) -> Published | None:
        """Reads a view of this service's; nothing when it publishes none to us."""
        url = self._endpoints[service].published_url
        if url is None:
            return None
        self._published.append(Published(url.get_secret_value(), view))
        return self._published[-1]

    async def send(
        self,
        service: str,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        timeout_seconds: float | None = 10,
    ) -> UpstreamAnswer:
        """`path` holds the query, already encoded; `headers` say who is asking.

        `timeout_seconds` is None where the caller has a deadline of their own.
        Raises ServiceUnavailable.
        """
        if body is not None:
            headers = {**headers, "Content-Type": "application/json"}
        exchange = self._connections[service].exchange
        try:
            if timeout_seconds is None:
                return await exchange(method, path, headers, body)
            async with asyncio.timeout(timeout_seconds):
                return await exchange(method, path, headers, body)
        except (ConnectionLost, TimeoutError, OSError) as exc:
            raise ServiceUnavailable(f"{service} does not answer: {type(exc).__name__}") from None
