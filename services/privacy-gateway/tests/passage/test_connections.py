"""What goes to a service and comes back, over real sockets, with services that misbehave."""

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from privacy_gateway.clients import connections as module
from privacy_gateway.clients.connections import ConnectionLost, Connections

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"


class Standing:
    """A service that does as it is told, connection by connection."""

    def __init__(self) -> None:
        self.accepted = 0
        self.requests: list[bytes] = []
        self.behave: Callable[[Standing, Reader, Writer], Awaitable[None]] = answers(OK)

    async def serve(self, reader: Reader, writer: Writer) -> None:
        self.accepted += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await self.behave(self, reader, writer)
        writer.close()

    async def heard(self, reader: Reader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        request = head + await reader.readexactly(length)
        self.requests.append(request)
        return request


def answers(*replies: bytes, then_close: bool = False) -> Any:
    async def behave(standing: Standing, reader: Reader, writer: Writer) -> None:
        while True:
            for reply in replies:
                await standing.heard(reader)
                writer.write(reply)
                await writer.drain()
                if then_close:
                    return

    return behave


@pytest.fixture
async def standing():
    made = Standing()
    with tempfile.TemporaryDirectory(prefix="privity-") as folder:
        made.path = Path(folder) / "s"
        server = await asyncio.start_unix_server(made.serve, made.path)
        yield made
        server.close()


@pytest.fixture
async def to(standing):
    made = Connections.to(
        socket=standing.path, url=None, name="orders", fixed={"Authorization": "Bearer k"}, limit=8
    )
    yield made
    made.close()


async def get(to: Connections, target: str = "/v1/x", **headers: str) -> Any:
    return await to.exchange("GET", target, headers, None)


async def test_an_answer_comes_whole_with_its_headers(to, standing) -> None:
    answer = await get(to, **{"Request-Id": "req_1"})

    assert (answer.status, answer.body) == (200, b"{}")
    assert answer.headers["content-type"] == "application/json"
    assert standing.requests[0].startswith(b"GET /v1/x HTTP/1.1\r\nHost: orders\r\n")
    assert b"Authorization: Bearer k\r\n" in standing.requests[0]
    assert b"Request-Id: req_1\r\n" in standing.requests[0]


async def test_a_connection_is_kept_for_the_next(to, standing) -> None:
    for _ in range(5):
        await get(to)

    assert (standing.accepted, len(standing.requests)) == (1, 5)


async def test_those_at_once_have_one_each_and_the_rest_waits(to, standing) -> None:
    answered = await asyncio.gather(*(get(to) for _ in range(40)))

    assert len(answered) == 40
    assert standing.accepted <= 8


@pytest.mark.parametrize("body", [b'{"a": 1}', b"", None])
async def test_a_body_goes_with_its_length(to, standing, body) -> None:
    await to.exchange("POST", "/v1/x", {}, body)

    sent = standing.requests[0]
    assert f"Content-Length: {len(body or b'')}\r\n".encode() in sent
    assert sent.endswith(b"\r\n\r\n" + (body or b""))


async def test_chunks_and_repeated_headers_are_read(to, standing) -> None:
    standing.behave = answers(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nPrivity-Revoke: a\r\n"
        b"Privity-Revoke: b\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )

    answer = await get(to)

    assert answer.body == b"abcde"
    assert answer.headers.getall("privity-revoke") == ["a", "b"]


async def test_no_content_is_an_answer(to, standing) -> None:
    standing.behave = answers(b"HTTP/1.1 204 No Content\r\n\r\n", OK)

    assert [(await get(to)).status, (await get(to)).status] == [204, 200]
    assert standing.accepted == 1


async def test_a_service_that_says_close_is_not_asked_on_that_connection_again(
    to, standing
) -> None:
    standing.behave = answers(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")

    await get(to)
    await get(to)

    assert standing.accepted == 2


@pytest.mark.parametrize(("method", "again"), [("GET", True), ("PUT", True), ("POST", False)])
async def test_only_what_may_be_said_twice_is_sent_again_when_a_kept_connection_is_gone(
    to, standing, method: str, again: bool
) -> None:
    """The service hangs up in the very moment in which it is asked."""

    async def once_and_no_more(standing: Standing, reader: Reader, writer: Writer) -> None:
        await standing.heard(reader)
        writer.write(OK)
        await standing.heard(reader)

    standing.behave = once_and_no_more
    await get(to)

    if again:
        assert (await to.exchange(method, "/v1/x", {}, None)).status == 200
    else:
        with pytest.raises(ConnectionLost):
            await to.exchange(method, "/v1/x", {}, None)


async def test_on_a_fresh_connection_nothing_is_sent_again(to, standing) -> None:
    async def deaf(standing: Standing, reader: Reader, writer: Writer) -> None:
        await standing.heard(reader)

    standing.behave = deaf

    with pytest.raises(ConnectionLost):
        await get(to)
    assert len(standing.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: nine\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"Content-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
    ],
)
async def test_what_is_no_proper_answer_is_none(to, standing, reply: bytes) -> None:
    standing.behave = answers(reply, then_close=True)

    with pytest.raises(ConnectionLost):
        await get(to)


async def test_an_answer_without_end_is_cut_off(to, standing, monkeypatch) -> None:
    monkeypatch.setattr(module, "LONGEST_ANSWER", 1000)
    standing.behave = answers(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000)

    with pytest.raises(ConnectionLost, match="without end"):
        await get(to)


async def test_a_head_without_end_is_cut_off_before_it_ends(to, standing) -> None:
    async def talkative(standing: Standing, reader: Reader, writer: Writer) -> None:
        await standing.heard(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            writer.write(b"x" * 10_000)
            await writer.drain()

    standing.behave = talkative

    async with asyncio.timeout(5):
        with pytest.raises(ConnectionLost, match="head without end"):
            await get(to)


async def test_what_stands_behind_a_body_is_no_header(to, standing) -> None:
    standing.behave = answers(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\n{}\r\n0\r\nPrivity-Revoke: ses_1\r\n\r\n",
        OK,
    )

    answer = await get(to)
    after = await get(to)

    assert (answer.body, after.body) == (b"{}", b"{}")
    assert "privity-revoke" not in answer.headers


async def test_an_answer_to_nobody_is_not_taken_for_the_next(to, standing) -> None:
    standing.behave = answers(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret", OK)

    first = await get(to)
    second = await get(to)

    assert (first.body, second.body) == (b"{}", b"{}")
    assert standing.accepted == 2


async def test_who_gives_up_takes_the_connection_with_them(to, standing) -> None:
    slow = asyncio.Event()

    async def late(standing: Standing, reader: Reader, writer: Writer) -> None:
        await standing.heard(reader)
        await slow.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstale")

    standing.behave = late
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await get(to)
    standing.behave = answers(OK)
    slow.set()

    assert (await get(to)).body == b"{}"


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/v1/x\r\nX: y", {}),
        ("/v1/ x", {}),
        ("", {}),
        ("/v1/x", {"Privity-Actor": "a\r\nPrivity-Role: shop_owner"}),
        ("/v1/x", {"Privity-Actor": "a\nb"}),
        ("/v1/x", {"Privity-Actor\r\nX": "a"}),
        ("/v1/x", {"Privity-Actor": "a\0b"}),
    ],
)
async def test_no_header_hides_in_another(to, standing, target: str, headers: dict) -> None:
    with pytest.raises(ValueError, match=r"target|line end"):
        await get(to, target, **headers)

    assert standing.requests == []


async def test_a_service_that_is_not_there_is_an_error_and_no_wait(tmp_path) -> None:
    nowhere = Connections.to(socket=tmp_path / "none", url=None, name="orders", fixed={})

    with pytest.raises(OSError, match="No such file"):
        await get(nowhere)


async def test_services_over_a_network_are_reached_by_their_address() -> None:
    standing = Standing()
    server = await asyncio.start_server(standing.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    to = Connections.to(socket=None, url=f"http://127.0.0.1:{port}", name="orders", fixed={})

    assert (await get(to)).status == 200
    assert f"Host: 127.0.0.1:{port}".encode() in standing.requests[0]
    to.close()
    server.close()
