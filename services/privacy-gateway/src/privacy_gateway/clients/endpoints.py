"""Where a delivery may go: the form of an endpoint's URL, and the addresses behind its name.

An endpoint is a public name under https. Numbers instead of names, in whatever spelling, are
refused, and so is everything a URL can hold beside scheme, name, port, path and query. The one
exception are addresses that the operator lists one by one, for partners on the same machine.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Self

from privacy_gateway.clients.public_addresses import is_public

PORTS = frozenset({443, 8443})
LONGEST = 2048
_PATH = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*"
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])"
    rf"(?::(?P<port>[1-9][0-9]{{0,4}}))?(?P<target>(?:/{_PATH})?(?:\?(?:{_PATH}|[?])*)?)"
)
# The last label starts with a letter: no spelling of a number ends that way.
_NAME = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
# Last labels that the public name system never has: RFC 6761, RFC 6762 with its appendix G,
# RFC 7686, RFC 8375, ICANN's .internal, and what machines and clusters use at home.
_NEVER_PUBLIC = frozenset(
    {
        *("arpa", "corp", "home", "internal", "intranet", "invalid", "lan", "local"),
        *("localdomain", "localhost", "onion", "private", "svc"),
    }
)
_ALLOWED = re.compile(r"(?P<host>[0-9.]+|\[[0-9a-f:.]+\]):(?P<port>[1-9][0-9]{0,4})")

Address = IPv4Address | IPv6Address


class UnsafeEndpoint(ValueError):
    """Deliveries do not go there. Its text is a code, and never holds what was given."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The parts of a URL in its one spelling."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def literal(self) -> Address | None:
        return _literal(self.host)


class AllowedAddresses:
    """Addresses beyond the public internet that deliveries may reach: exact ones, `ip:port`."""

    def __init__(self, listed: Collection[str] = ()) -> None:
        """Raises ValueError on anything but an address in its usual spelling and a port."""
        self._listed = frozenset(_allowed(text) for text in listed)

    @classmethod
    def read(cls, text: str) -> Self:
        """From a setting: parted by commas. Raises ValueError."""
        return cls([part.strip() for part in text.split(",") if part.strip()])

    def holds(self, address: str, port: int) -> bool:
        literal = _literal(address)
        return literal is not None and (literal, port) in self._listed

    def parse(self, url: str) -> Endpoint:
        """Raises UnsafeEndpoint unless `url` is an endpoint that deliveries could go to."""
        match = _URL.fullmatch(url)
        if match is None or len(url) > LONGEST:
            raise UnsafeEndpoint("not_an_https_url")
        scheme, host = match["scheme"], match["host"]
        port = int(match["port"] or (443 if scheme == "https" else 80))
        target = match["target"]
        if not target.startswith("/"):  # a query alone
            target = f"/{target}"
        endpoint = Endpoint(scheme, host.strip("[]"), port, target)
        if self.holds(endpoint.host, port):
            return endpoint
        if scheme != "https":
            raise UnsafeEndpoint("not_an_https_url")
        if _NAME.fullmatch(host) is None or host.rpartition(".")[2] in _NEVER_PUBLIC:
            raise UnsafeEndpoint("not_a_public_name")
        # A name may still turn out to stand for a listed address, at whatever port that has.
        if port not in PORTS and all(port != listed for _, listed in self._listed):
            raise UnsafeEndpoint("port_not_allowed")
        return endpoint

    def check(self, endpoint: Endpoint, addresses: Sequence[str]) -> None:
        """Raises UnsafeEndpoint unless every address behind the name may be reached.

        Every one: a name with a public address beside a private one is an attempt.
        """
        for address in addresses:
            if self.holds(address, endpoint.port):
                continue
            if endpoint.port not in PORTS or not is_public(address):
                raise UnsafeEndpoint("private_address")


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host) if "%" not in host else None
    except ValueError:
        return None


def _allowed(text: str) -> tuple[Address, int]:
    match = _ALLOWED.fullmatch(text)
    literal = _literal(match["host"].strip("[]")) if match else None
    if match is None or literal is None or int(match["port"]) > 65535:
        raise ValueError("an allowed delivery address is written ip:port")
    return literal, int(match["port"])
