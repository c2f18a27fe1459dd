"""An answer leaves in one write, and never waits for what does not come."""

import asyncio

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from privacy_gateway.api.wire import Wire

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LENGTH_5 = [(b"content-length", b"5")]


class Client(asyncio.Transport):
    """Keeps what is written to it, write by write."""

    def __init__(self):
        super().__init__()
        self.writes = []
        self.closed = False

    def write(self, content):
        self.writes.append(bytes(content))

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


async def exchanged(answer, *, request=GET, protocol=Wire):
    """What the client saw of an answer that the application gives."""

    async def app(scope, receive, send):
        await answer(send)

    config = uvicorn.Config(app, log_config=None, access_log=False)
    config.load()
    wire = protocol(config=config, server_state=ServerState(), app_state={})
    client = Client()
    wire.connection_made(client)
    wire.data_received(request)
    while wire.tasks:
        await asyncio.wait(set(wire.tasks))
    client.broken_off = client.closed
    wire.connection_lost(None)
    return client


def started(headers):
    return {"type": "http.response.start", "status": 200, "headers": headers}


def body(content, *, more=False):
    return {"type": "http.response.body", "body": content, "more_body": more}


async def whole(send):
    await send(started(LENGTH_5))
    await send(body(b"whole"))


async def in_parts(send):
    await send(started(LENGTH_5))
    for part in (b"p", b"a", b"rt"):
        await send(body(part, more=True))
    await send(body(b"s"))


async def in_chunks(send):
    await send(started([]))
    await send(body(b"tick", more=True))
    await send(body(b""))


async def broken_off(send):
    await send(started(LENGTH_5))
    raise RuntimeError


async def empty(send):
    await send(started([(b"content-length", b"0")]))
    await send(body(b""))


@pytest.mark.parametrize(
    ("answer", "pieces"),
    [(whole, [b"whole"]), (in_parts, [b"p", b"a", b"rt", b"s"]), (empty, [b""])],
)
async def test_the_head_goes_with_the_first_of_the_body(answer, pieces):
    client = await exchanged(answer)

    head, _, first = client.writes[0].partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert [first, *client.writes[1:]] == pieces
    assert not client.broken_off


async def test_every_byte_is_the_servers_own():
    for answer in (whole, in_parts, in_chunks, empty, broken_off):
        ours = await exchanged(answer)
        plain = await exchanged(answer, protocol=HttpToolsProtocol)

        assert b"".join(ours.writes) == b"".join(plain.writes)
        assert ours.broken_off == plain.broken_off


async def test_the_head_of_a_stream_does_not_wait():
    client = await exchanged(in_chunks)

    assert client.writes[0].endswith(b"\r\n\r\n")
    assert client.writes[1] == b"4\r\ntick\r\n"


async def test_a_head_without_a_body_does_not_wait():
    client = await exchanged(whole, request=GET.replace(b"GET", b"HEAD"))

    assert b"".join(client.writes).endswith(b"content-length: 5\r\n\r\n")


async def test_answers_to_pipelined_requests_stay_apart():
    client = await exchanged(whole, request=GET + GET)

    assert [write.count(b"HTTP/1.1 200") for write in client.writes] == [1, 1]
    assert all(write.endswith(b"whole") for write in client.writes)
