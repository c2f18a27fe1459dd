"""The identity provider's keys: fetched, kept for a while, and fetched again when one is unknown.

An unknown key id is looked for at most once a minute, so that made-up ids fetch nothing. A key that
the provider took back verifies nothing once the set is read again, which is every five minutes;
while the provider does not answer, the keys of the last hour count, and after that none.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from privacy_gateway.clients.identity_provider import IdentityProvider, ProviderUnavailable

FRESH_SECONDS: Final = 300.0
STALE_SECONDS: Final = 3600.0
ASKED_EVERY_SECONDS: Final = 60.0
DISCOVERED_SECONDS: Final = 3600.0
MOST_KEYS: Final = 50
RSA_BITS: Final = range(2048, 8200)

Key = RSAKey | ECKey
_log = structlog.get_logger("privity.openid")


class ProviderKeys:
    def __init__(
        self, provider: IdentityProvider, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._provider = provider
        self._clock = clock
        self._keys: dict[str, tuple[str, Key]] = {}
        self._read_at = self._asked_at = self._discovered_at = float("-inf")
        self._where = ""
        self._reading = asyncio.Lock()

    async def find(self, kid: str, algorithm: str) -> Key | None:
        """The key of this id, if it is for this algorithm. Raises ProviderUnavailable."""
        age = self._clock() - self._read_at
        if age > FRESH_SECONDS or kid not in self._keys:
            await self._read_again(kid)
        if self._clock() - self._read_at > STALE_SECONDS:
            raise ProviderUnavailable("its keys are too old")
        of, key = self._keys.get(kid, ("", None))
        return key if of == algorithm else None

    async def _read_again(self, kid: str) -> None:
        async with self._reading:
            now = self._clock()
            fresh = now - self._read_at <= FRESH_SECONDS
            if (fresh and kid in self._keys) or now - self._asked_at < ASKED_EVERY_SECONDS:
                return
            self._asked_at = now
            try:
                self._keys = _usable(await self._fetched(now))
            except ProviderUnavailable as exc:
                _log.warning("provider_keys_not_read", reason=exc.detail)
                self._discovered_at = float("-inf")  # they may have moved
                return
            self._read_at = now

    async def _fetched(self, now: float) -> list[dict[str, Any]]:
        if now - self._discovered_at > DISCOVERED_SECONDS:
            self._where = await self._provider.discover()
            self._discovered_at = now
        return await self._provider.keys(self._where)


def _usable(listed: list[dict[str, Any]]) -> dict[str, tuple[str, Key]]:
    """By their id, with the one algorithm that each is for. An id that stands twice is none."""
    keys: dict[str, tuple[str, Key]] = {}
    twice: set[str] = set()
    for members in listed[:MOST_KEYS]:
        kid, usable = members.get("kid"), _key(members)
        if not isinstance(kid, str) or usable is None:
            continue
        if kid in keys:
            twice.add(kid)
        keys[kid] = usable
    return {kid: usable for kid, usable in keys.items() if kid not in twice}


def _key(members: dict[str, Any]) -> tuple[str, Key] | None:
    """The kind of key decides on the algorithm, never the token."""
    if members.get("use", "sig") != "sig" or "d" in members:
        return None
    try:
        if members["kty"] == "EC" and members["crv"] == "P-256":
            usable: tuple[str, Key] = ("ES256", ECKey.import_key(_named(members, "x", "y", "crv")))
        elif members["kty"] == "RSA" and len(members["n"]) * 6 in RSA_BITS:  # it is base64url
            usable = ("RS256", RSAKey.import_key(_named(members, "n", "e")))
        else:
            return None
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return usable if members.get("alg", usable[0]) == usable[0] else None


def _named(members: dict[str, Any], *names: str) -> dict[str, str | list[str]]:
    """Only these: what else stands beside a key is not ours to obey."""
    return {name: members[name] for name in ("kty", *names)}
