"""Where a request of ours to the outside may go, and a connection that goes nowhere else.

A name is looked up once, every address behind it is checked, and the connection goes to a checked
address without a second look-up; who answered there is compared again. Proxies of the environment
are not used.
"""

import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver
import httpcore
from httpcore import AnyIOBackend, AsyncNetworkBackend, AsyncNetworkStream

from privacy_gateway.clients.endpoints import AllowedAddresses, Endpoint

LOOKUP_SECONDS = 3.0
CONNECT_SECONDS = 3.0
ADDRESSES_TRIED = 3


class Unreachable(Exception):
    """No answer came. Its text is a code."""


class AnotherPeer(OSError):
    """Whoever answered is not at the address that was checked."""


@dataclass(frozen=True, slots=True)
class Destination:
    """An endpoint with the addresses that were found behind its name and checked."""

    endpoint: Endpoint
    addresses: tuple[str, ...]

    @property
    def url(self) -> httpcore.URL:
        endpoint = self.endpoint
        return httpcore.URL(
            scheme=endpoint.scheme.encode(),
            host=endpoint.host.encode(),
            port=endpoint.port,
            target=endpoint.target.encode(),
        )


class Destinations:
    def __init__(
        self,
        *,
        allowed: AllowedAddresses,
        resolver: dns.asyncresolver.Resolver | None = None,
        certificates: ssl.SSLContext | None = None,
        network: AsyncNetworkBackend | None = None,
    ) -> None:
        self.allowed = allowed
        self._resolver = resolver or _system_resolver()
        self._certificates = certificates or ssl.create_default_context()
        self._network = network or AnyIOBackend()

    async def find(self, url: str) -> Destination:
        """Raises UnsafeEndpoint or Unreachable."""
        endpoint = self.allowed.parse(url)
        addresses = [endpoint.host] if endpoint.literal else await self._look_up(endpoint.host)
        self.allowed.check(endpoint, addresses)
        return Destination(endpoint, tuple(addresses[:ADDRESSES_TRIED]))

    @asynccontextmanager
    async def connected(
        self, destination: Destination
    ) -> AsyncIterator[httpcore.AsyncHTTPConnection]:
        """Raises Unreachable for whatever goes wrong on the line within."""
        connection = httpcore.AsyncHTTPConnection(
            origin=destination.url.origin,
            ssl_context=self._certificates,
            network_backend=_Pinned(destination, self._network),
        )
        try:
            async with connection:
                yield connection
        except (TimeoutError, httpcore.TimeoutException):
            raise Unreachable("timeout") from None
        except AnotherPeer:
            raise Unreachable("another_peer") from None
        except (httpcore.NetworkError, httpcore.RemoteProtocolError) as exc:
            # The library's own messages may quote what the other side sent.
            raise Unreachable(_reason(exc)) from None

    async def _look_up(self, host: str) -> list[str]:
        # DNS only: the hosts file and search domains of this machine name nothing public.
        try:
            found = await self._resolver.resolve_name(
                dns.name.from_text(host), lifetime=LOOKUP_SECONDS
            )
        except (dns.exception.DNSException, OSError):
            raise Unreachable("name_not_found") from None
        return list(found.addresses())


class _Pinned(AsyncNetworkBackend):
    """Connects to the checked addresses, whatever name it is asked for."""

    def __init__(self, destination: Destination, network: AsyncNetworkBackend) -> None:
        self._destination = destination
        self._network = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # the interface is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        addresses = self._destination.addresses
        share = CONNECT_SECONDS / len(addresses)
        for address in addresses[:-1]:
            try:
                return await self._connect(address, share)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._connect(addresses[-1], share)

    async def _connect(self, address: str, seconds: float) -> AsyncNetworkStream:
        port = self._destination.endpoint.port
        stream = await self._network.connect_tcp(address, port, timeout=seconds)
        peer = stream.get_extra_info("server_addr")
        if not _is_at(peer, address, port):
            await stream.aclose()
            raise AnotherPeer(f"not the peer that was checked, port {port}")
        return stream


def _is_at(peer: object, address: str, port: int) -> bool:
    if not isinstance(peer, Sequence) or len(peer) < 2:
        return False
    try:
        return ip_address(peer[0]) == ip_address(address) and peer[1] == port
    except ValueError:
        return False


def _reason(exc: BaseException) -> str:
    return "tls_failed" if isinstance(exc.__cause__, ssl.SSLError) else "no_answer"


def _system_resolver() -> dns.asyncresolver.Resolver:
    try:
        return dns.asyncresolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        # A machine without a network: every name is simply not found.
        return dns.asyncresolver.Resolver(configure=False)
