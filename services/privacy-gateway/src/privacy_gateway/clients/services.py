"""The services behind the gateway: keep-alive HTTP over Unix sockets, or a private network."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import aiohttp
from multidict import CIMultiDictProxy

from privacy_gateway.settings import Endpoint
from privity_rest import Unavailable, read_secret

LONGEST_ANSWER = 8 * 1024 * 1024


class ServiceUnavailable(Unavailable):
    code = "service_unavailable"


@dataclass(frozen=True, slots=True)
class UpstreamAnswer:
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


class Services:
    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self._endpoints = dict(endpoints)
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        for name, endpoint in self._endpoints.items():
            connector: aiohttp.BaseConnector
            if endpoint.socket is not None:
                connector = aiohttp.UnixConnector(
                    str(endpoint.socket), limit=200, keepalive_timeout=60
                )
            else:
                connector = aiohttp.TCPConnector(limit=200, keepalive_timeout=60)
            self._sessions[name] = aiohttp.ClientSession(
                base_url=endpoint.url or f"http://{name}",
                connector=connector,
                headers={"Authorization": f"Bearer {read_secret(endpoint.inbound_key_file)}"},
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(),  # ours; a timer more for each request costs
                trust_env=False,
                skip_auto_headers=("User-Agent", "Accept-Encoding"),
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        for session in self._sessions.values():
            await session.close()

    def __contains__(self, service: str) -> bool:
        return service in self._endpoints

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
        sent = dict(headers)
        if body is not None:
            sent["Content-Type"] = "application/json"
        try:
            if timeout_seconds is None:
                return await self._exchange(service, method, path, sent, body)
            async with asyncio.timeout(timeout_seconds):
                return await self._exchange(service, method, path, sent, body)
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise ServiceUnavailable(f"{service} does not answer: {type(exc).__name__}") from None

    async def _exchange(
        self, service: str, method: str, path: str, headers: dict[str, str], body: bytes | None
    ) -> UpstreamAnswer:
        async with self._sessions[service].request(
            method, path, data=body, headers=headers, allow_redirects=False
        ) as response:
            content = await response.content.read(LONGEST_ANSWER)
            if not response.content.at_eof():
                raise ServiceUnavailable(f"{service} answers without end")
            return UpstreamAnswer(response.status, response.headers, content)
