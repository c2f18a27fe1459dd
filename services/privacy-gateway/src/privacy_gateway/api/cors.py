"""Which web pages may call: those on the list, by exact origin."""

from collections.abc import Collection

_METHODS = b"GET, POST, PUT, PATCH, DELETE"
_HEADERS = b"Authorization, Content-Type, Idempotency-Key, If-Match, Request-Id"
_EXPOSED = b"ETag, Location, Request-Id, Retry-After, WWW-Authenticate"

Headers = list[tuple[bytes, bytes]]
_DECIDED = frozenset(
    {
        b"vary",
        b"access-control-allow-origin",
        b"access-control-expose-headers",
        b"access-control-allow-credentials",
    }
)


class Cors:
    def __init__(self, origins: Collection[str], *, with_credentials: Collection[str] = ()) -> None:
        """Raises ValueError for a wildcard or an origin that no browser would send."""
        for origin in origins:
            scheme, _, host = origin.partition("://")
            if scheme not in {"http", "https"} or not host or set(host) & set("*/?# "):
                raise ValueError(f"not an exact origin: {origin!r}")
        if not set(with_credentials) <= set(origins):
            raise ValueError("credentials for an origin that is not allowed")
        self._origins = {origin.encode() for origin in origins}
        self._with_credentials = {origin.encode() for origin in with_credentials}

    def allows(self, origin: bytes | None) -> bool:
        return origin in self._origins

    @property
    def decided(self) -> frozenset[bytes]:
        """The headers that nobody else adds to an answer."""
        return _DECIDED if self._origins else frozenset()

    def headers(self, origin: bytes | None) -> Headers:
        """For an answer. Caches must know that it depends on the origin, allowed or not."""
        if not self._origins:
            return []
        headers: Headers = [(b"vary", b"Origin")]
        if origin is not None and origin in self._origins:
            headers.append((b"access-control-allow-origin", origin))
            headers.append((b"access-control-expose-headers", _EXPOSED))
            if origin in self._with_credentials:
                headers.append((b"access-control-allow-credentials", b"true"))
        return headers

    @staticmethod
    def preflight_headers() -> Headers:
        return [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _HEADERS),
            (b"access-control-max-age", b"600"),
        ]
