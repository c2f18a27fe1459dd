"""One JSON call to a key service: https with checked certificates, no redirects, one second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

if TYPE_CHECKING:
    import aiohttp

TOTAL_SECONDS = 1.0
LONGEST_ANSWER = 64 * 1024
AT_ONCE = 32
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class KeyServiceUnavailable(Exception):
    """No answer, or one that says nothing about the value: the message holds a code at most."""


class KeyServiceRefused(Exception):
    """The service says that this was not wrapped by it with this text."""


class Exchange:
    def __init__(self, url: str) -> None:
        """Raises ValueError for an address that would send keys in the clear."""
        parts = urlsplit(url)
        local = parts.scheme == "http" and parts.hostname in _LOOPBACK
        if not (parts.scheme == "https" or local) or not parts.hostname or parts.query:
            raise ValueError("a key service is reached by https, or by http on this machine")
        # 0.1 s that a start without a key service need not take.
        import aiohttp  # noqa: PLC0415

        self._http = aiohttp
        self.url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def call(
        self, method: str, path: str, body: bytes = b"", *, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, Any]]:
        """Status and answer. Raises KeyServiceUnavailable."""
        if self._session is None:
            self._session = self._http.ClientSession(
                timeout=self._http.ClientTimeout(total=TOTAL_SECONDS),
                connector=self._http.TCPConnector(limit=AT_ONCE),
                trust_env=False,
            )
        try:
            async with self._session.request(
                method, f"{self.url}{path}", data=body, headers=headers, allow_redirects=False
            ) as answer:
                content = await answer.content.read(LONGEST_ANSWER)
                status = answer.status
        except (TimeoutError, self._http.ClientError, OSError) as exc:
            raise KeyServiceUnavailable(type(exc).__name__) from None
        try:
            found = orjson.loads(content or b"{}")
        except orjson.JSONDecodeError:
            raise KeyServiceUnavailable(f"status {status} and no JSON") from None
        if status >= 500 or status == 429 or not isinstance(found, dict):
            raise KeyServiceUnavailable(f"status {status}")
        return status, found

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
