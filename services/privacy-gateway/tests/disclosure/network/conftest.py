"""A name server that leads where it likes, and certificates."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset
import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from httpcore import AnyIOBackend, AsyncNetworkBackend, AsyncNetworkStream


class NameServer(asyncio.DatagramProtocol):
    """`names` maps a name to what it answers; several answers are given one after the other, as
    a name server does that wants to pass a check and then lead elsewhere."""

    def __init__(self) -> None:
        self.names: dict[str, list[list[str]]] = {}
        self.asked: list[str] = []
        self.silent = False
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self.silent:
            return
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        self.asked.append(f"{name} {dns.rdatatype.to_text(question.rdtype)}")
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        is_6 = question.rdtype == dns.rdatatype.AAAA
        rounds = self.names.get(name)
        if rounds is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        else:
            # The address with a dot in it comes last of a round: AAAA is asked before A.
            current = rounds[0]
            if not is_6 and len(rounds) > 1:
                rounds.pop(0)
            found = [each for each in current if (":" in each) == is_6]
            if found:
                kind = "AAAA" if is_6 else "A"
                reply.answer.append(dns.rrset.from_text(question.name, 0, "IN", kind, *found))
        assert self._transport is not None
        self._transport.sendto(reply.to_wire(), addr)


@dataclass
class Names:
    server: NameServer
    resolver: dns.asyncresolver.Resolver

    def __setitem__(self, name: str, rounds: list[list[str]]) -> None:
        self.server.names[name] = rounds


@pytest.fixture
async def names() -> AsyncIterator[Names]:
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        NameServer, local_addr=("127.0.0.1", 0)
    )
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = transport.get_extra_info("sockname")[1]
    yield Names(server, resolver)
    transport.close()


@dataclass(frozen=True)
class Certificates:
    partners: ssl.SSLContext
    """For a server that is `carrier.test`."""
    trusted: ssl.SSLContext
    """For a client that trusts it."""


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder: Path = tmp_path_factory.mktemp("certificates")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "carrier.test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("carrier.test")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    partners = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    partners.load_cert_chain(chain, private)
    return Certificates(partners, ssl.create_default_context(cafile=str(chain)))


class Diverted(AsyncNetworkBackend):
    """A network that leads some addresses to ports of this machine; others are not reached.

    Disguised, the peer looks as if it were at the address; else it shows where it is.
    """

    def __init__(self, ways: dict[str, int], *, disguised: bool = True) -> None:
        self._ways = ways
        self._disguised = disguised
        self._real = AnyIOBackend()
        self.asked: list[tuple[str, int]] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # the interface is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        self.asked.append((host, port))
        if host not in self._ways:
            raise httpcore.ConnectError("unreachable")
        stream = await self._real.connect_tcp("127.0.0.1", self._ways[host], timeout=timeout)
        return Elsewhere(stream, (host, port)) if self._disguised else stream


class Elsewhere(AsyncNetworkStream):
    def __init__(self, stream: AsyncNetworkStream, address: tuple[str, int]) -> None:
        self._stream = stream
        self._address = address

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> AsyncNetworkStream:
        return await self._stream.start_tls(ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> object:
        return self._address if info == "server_addr" else self._stream.get_extra_info(info)


@pytest.fixture
def diverted() -> type[Diverted]:
    return Diverted
