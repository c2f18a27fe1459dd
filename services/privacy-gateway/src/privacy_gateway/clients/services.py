"""The services behind the gateway: keep-alive HTTP over Unix sockets, or a private network."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import aiohttp
from pydantic import BaseModel, ConfigDict

from privacy_gateway.domain.tokens.caller import Caller
from privity_rest import Unavailable, read_secret

LONGEST_ANSWER = 8 * 1024 * 1024


class ServiceUnavailable(Unavailable):
    code = "service_unavailable"


class Endpoint(BaseModel):
    """Where a service listens and the secrets of both directions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    socket: Path | None = None
    url: str | None = None
    contract: Path
    inbound_key_file: Path
    outbound_key_file: Path


@dataclass(frozen=True, slots=True)
class UpstreamAnswer:
    status: int
    headers: Mapping[str, str]
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
        caller: Caller,
        request_id: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = 10,
    ) -> UpstreamAnswer:
        """`path` holds the query, already encoded. Raises ServiceUnavailable."""
        sent = caller_headers(caller, request_id)
        if body is not None:
            sent["Content-Type"] = "application/json"
        if headers:
            sent.update(headers)
        try:
            async with (
                asyncio.timeout(timeout_seconds),
                self._sessions[service].request(
                    method, path, data=body, headers=sent, allow_redirects=False
                ) as response,
            ):
                content = await response.content.read(LONGEST_ANSWER)
                if not response.content.at_eof():
                    raise ServiceUnavailable(f"{service} answers without end")
                return UpstreamAnswer(response.status, response.headers, content)
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise ServiceUnavailable(f"{service} does not answer: {type(exc).__name__}") from None


def caller_headers(caller: Caller, request_id: str) -> dict[str, str]:
    headers = {
        "Request-Id": request_id,
        "Privity-Caller": caller.kind,
        "Privity-Actor": caller.actor,
        "Privity-Role": caller.role,
        "Privity-Purpose": caller.purpose,
    }
    if caller.subject:
        headers["Privity-Subject"] = caller.subject
    if caller.work:
        headers["Privity-Work"] = caller.work
    if caller.session:
        headers["Privity-Session"] = caller.session
    return headers
