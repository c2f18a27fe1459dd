"""An answer leaves in one write, and never waits for what does not come; a head neither."""

import asyncio
import json

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from privacy_gateway.api import wire as wires
from privacy_gateway.api.wire import Wire

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LENGTH_5 = [(b"content-length", b"5")]


class Client(asyncio.Transport):
    """Keeps what is written to it, write by write."""

    def __init__(self):
        super().__init__()
        self.writes = []
        self.closed = False
        self.over = asyncio.Event()

    def write(self, content):
        self.writes.append(bytes(content))

    def close(self):
        self.closed = True
        self.over.set()

    def is_closing(self):
        return self.closed

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


def connected(answer, *, protocol=Wire):
    """A connection to a server whose application gives this answer."""

    async def app(scope, receive, send):
        await answer(send)

    config = uvicorn.Config(app, log_config=None, access_log=False)
    config.load()
    wire = protocol(config=config, server_state=ServerState(), app_state={})
    client = Client()
    wire.connection_made(client)
    return wire, client


async def exchanged(answer, *, request=GET, protocol=Wire):
    """What the client saw of an answer that the application gives."""
    wire, client = connected(answer, protocol=protocol)
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


def refused(client):
    """The problem document that a connection ended with."""
    [answer] = client.writes
    head, _, content = answer.partition(b"\r\n\r\n")
    assert client.closed
    assert b"content-type: application/problem+json\r\n" in head
    assert b"x-content-type-options: nosniff" in head
    assert f"content-length: {len(content)}\r\n".encode() in head
    document = json.loads(content)
    assert f"request-id: {document['instance']}\r\n".encode() in head
    assert head.startswith(f"HTTP/1.1 {document['status']} ".encode())
    return document["status"], document["code"]


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00planted",
        b"GET / HTTP/1.1\r\nHost: x\r\nplanted\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: planted\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA : planted\r\n\r\n",
        b"GET /planted\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_refused_with_a_document_that_repeats_nothing(request_):
    client = await exchanged(whole, request=request_)

    assert refused(client) == (400, "not_http")
    assert b"planted" not in client.writes[0]


async def test_a_head_is_not_kept_for_as_long_as_it_grows():
    wire, client = connected(whole)
    wire.data_received(GET[:-2])
    for _ in range(17):
        wire.data_received(b"A: " + b"a" * 4093)

    assert refused(client) == (431, "headers_too_large")
    wire.connection_lost(None)


async def test_a_long_head_is_the_edges_to_judge_and_a_body_counts_for_no_head():
    def posted(length):
        return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % length

    wire, client = connected(whole)
    wire.data_received(GET[:-2] + b"A: ")
    for part in (b"a" * 30_000, b"a" * 30_000, b"\r\n\r\n", posted(99_000)):
        wire.data_received(part)
    for _ in range(99):
        wire.data_received(b"b" * 1000)
    while wire.tasks:
        await asyncio.wait(set(wire.tasks))

    assert [write.count(b"HTTP/1.1 200") for write in client.writes] == [1, 1]
    wire.connection_lost(None)


@pytest.mark.parametrize(
    ("sent", "answered"),
    [(b"", []), (b"\r\n\r\n", []), (GET[:-2], [(408, "head_too_slow")])],
    ids=["nothing", "empty lines", "part of a head"],
)
async def test_a_head_that_trickles_in_is_not_waited_for(monkeypatch, sent, answered):
    monkeypatch.setattr(wires, "HEAD_SECONDS", 0.02)
    wire, client = connected(whole)
    wire.data_received(sent)
    async with asyncio.timeout(5):
        await client.over.wait()

    assert client.closed
    assert [refused(client)] == answered if answered else client.writes == []


async def test_after_an_answer_the_next_head_has_its_time_too(monkeypatch):
    monkeypatch.setattr(wires, "HEAD_SECONDS", 0.02)
    client = await exchanged(whole)
    assert not client.broken_off

    wire, client = connected(whole)
    wire.data_received(GET)
    while wire.tasks:
        await asyncio.wait(set(wire.tasks))
    wire.data_received(GET[:5])
    async with asyncio.timeout(5):
        await client.over.wait()

    assert client.writes[1].startswith(b"HTTP/1.1 408 ")


async def test_the_answer_to_a_head_that_came_takes_its_own_time(monkeypatch):
    monkeypatch.setattr(wires, "HEAD_SECONDS", 0.01)

    async def slow(send):
        await asyncio.sleep(0.1)
        await whole(send)

    client = await exchanged(slow)

    assert client.writes[0].endswith(b"whole")
    assert not client.broken_off


async def test_what_is_no_http_is_not_answered_in_the_middle_of_an_answer():
    begun, going_on = asyncio.Event(), asyncio.Event()

    async def stream(send):
        await send(started([]))
        await send(body(b"tick", more=True))
        begun.set()
        await going_on.wait()

    wire, client = connected(stream)
    wire.data_received(GET)
    await begun.wait()
    wire.data_received(b"\x00\x00")

    assert client.closed
    assert b"400" not in b"".join(client.writes)
    wire.connection_lost(None)
    going_on.set()
