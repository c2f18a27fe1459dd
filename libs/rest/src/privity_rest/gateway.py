"""The way from a service to everything outside it: through the gateway, as itself."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from privity_rest.refusals import Unavailable
from privity_rest.service import read_secret


class GatewayUnavailable(Unavailable):
    code = "gateway_unavailable"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


class GatewayClient:
    """Keep-alive HTTP to the gateway. `url` is `http://host:port` or `unix:/path/to.sock`."""

    def __init__(
        self, *, url: str, service: str, outbound_key_file: Path, timeout_seconds: float = 15
    ) -> None:
        socket = url.removeprefix("unix:") if url.startswith("unix:") else None
        self._client = httpx.AsyncClient(
            base_url="http://gateway" if socket else url,
            transport=httpx.AsyncHTTPTransport(uds=socket) if socket else None,
            headers={
                "Authorization": f"Bearer {read_secret(outbound_key_file)}",
                "Privity-Service": service,
            },
            timeout=timeout_seconds,
            follow_redirects=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def get(self, path: str) -> Answer:
        return await self._send("GET", path, None, {})

    async def post(self, path: str, json: Any, *, idempotency_key: str | None = None) -> Answer:
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return await self._send("POST", path, json, headers)

    async def _send(self, method: str, path: str, json: Any, headers: dict[str, str]) -> Answer:
        """Raises GatewayUnavailable when there is no answer, or one that says to try later."""
        try:
            response = await self._client.request(method, path, json=json, headers=headers)
        except httpx.HTTPError as exc:
            raise GatewayUnavailable(f"no answer: {type(exc).__name__}") from None
        if response.status_code in {429, 502, 503, 504}:
            raise GatewayUnavailable(f"the gateway answered {response.status_code}")
        body = response.json() if response.content else None
        return Answer(response.status_code, body)
