"""What the outermost layer lets in and how it answers, over a real socket, byte by byte."""

import asyncio
import re

import httpx
import pytest
import structlog

from privacy_gateway.api.arrival import Limits
from privacy_gateway.api.cors import Cors
from privacy_gateway.api.edge import Edge

SECRET = "anna@shop.example"
JSON = "Content-Type: application/json"


@pytest.fixture
def lines():
    """What was logged."""
    with structlog.testing.capture_logs() as captured:
        yield captured


def codes(heard):
    return [error["code"] for error in heard.problem.get("errors", [])]


async def test_a_request_in_order_reaches_the_application(edge, request_bytes, inner):
    send = await edge()

    heard = await send(request_bytes("POST", headers=[JSON], body=b'{"a": 1}'))

    assert (heard.status, heard.body) == (200, b'{"bytes":8,"method":"POST"}')
    assert inner.reached == 1


PROTECTION = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-site",
}


@pytest.mark.parametrize(
    "path",
    [
        "/v1/things/1",
        "/nowhere",
        "/v1/bug",
        "/raw/refusal",
        "/raw/plain",
        "/v1/things/1?x=" + "y" * 3000,
    ],
)
async def test_every_answer_is_protected_and_has_a_request_id(edge, request_bytes, path):
    send = await edge()

    heard = await send(request_bytes(path=path))

    assert {name: heard[name] for name in PROTECTION} == PROTECTION
    assert re.fullmatch(r"req_[0-9a-hjkmnp-tv-z]{26}", heard["Request-Id"])
    assert heard["Server"] is None
    assert heard["Strict-Transport-Security"] is None


async def test_browsers_are_told_to_insist_on_https_where_there_is_https(edge, request_bytes):
    send = await edge(https=True)

    heard = await send(request_bytes())

    assert heard["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"


async def test_a_route_may_be_kept_only_by_saying_so_to_the_edge(edge, request_bytes):
    send = await edge()

    heard = await send(request_bytes(path="/v1/kept"))

    assert heard["Cache-Control"] == "public, max-age=300"  # not what the route's header said
    assert heard["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    "given",
    [
        "req_01m81w0kpee12rhn4ec56r7k30",
        "6f1d6a8e-54c2-4b3a-9d4e-0c1b2a394857",
        "4bf92f3577b34da6a3ce929d0e0e4736",
    ],
)
async def test_a_request_id_that_only_a_program_makes_is_kept(edge, request_bytes, given):
    send = await edge()

    assert (await send(request_bytes(headers=[f"Request-Id: {given}"])))["Request-Id"] == given


@pytest.mark.parametrize(
    "given", ["short", "A" * 65, "<script>1", "", "äöüäöüäö", "Erika-Beispiel", "493023125014"]
)
async def test_any_other_request_id_is_replaced_since_it_may_name_somebody(
    edge, request_bytes, given
):
    send = await edge()

    heard = await send(request_bytes(headers=[f"Request-Id: {given}"]))

    assert heard["Request-Id"].startswith("req_")


# What must not get in, and how it is refused: (request, status, code of the problem, error code).
REFUSED = {
    "an unknown method": ({"method": "BREW"}, 400, None, None),
    "TRACE": ({"method": "TRACE"}, 405, "method_not_allowed", None),
    "HEAD": ({"method": "HEAD"}, 405, None, None),
    "OPTIONS that is no preflight": ({"method": "OPTIONS"}, 405, "method_not_allowed", None),
    "CONNECT": ({"method": "PROPFIND"}, 405, "method_not_allowed", None),
    "no host": ({"host": None}, 400, "malformed", "host_missing"),
    "two hosts": ({"headers": ["Host: other"]}, 400, "malformed", "duplicate_header"),
    "two tokens": (
        {"headers": ["Authorization: Bearer a", "Authorization: Bearer b"]},
        400,
        "malformed",
        "duplicate_header",
    ),
    "two tokens, spelled differently": (
        {"headers": ["Authorization: Bearer a", "AUTHORIZATION: Bearer b"]},
        400,
        "malformed",
        "duplicate_header",
    ),
    "two service names": (
        {"headers": ["Privity-Service: a", "Privity-Service: b"]},
        400,
        "malformed",
        "duplicate_header",
    ),
    "two idempotency keys": (
        {"headers": ["Idempotency-Key: a", "Idempotency-Key: b"]},
        400,
        "malformed",
        "duplicate_header",
    ),
    "too many headers": (
        {"headers": [f"X-{n}: 1" for n in range(70)]},
        431,
        "headers_too_large",
        None,
    ),
    "one header too large": ({"headers": ["X: " + "y" * 17_000]}, 431, "headers_too_large", None),
    "a long path": ({"path": "/v1/" + "a" * 2100}, 414, "url_too_long", None),
    "a long query": ({"path": "/v1/things/1?" + "a" * 2100}, 414, "url_too_long", None),
    "a path upwards": ({"path": "/v1/things/../orders"}, 404, "not_found", None),
    "a path to itself": ({"path": "/v1/./things/1"}, 404, "not_found", None),
    "an encoded path upwards": ({"path": "/v1/things/%2e%2e/orders"}, 404, "not_found", None),
    "an encoded slash": ({"path": "/v1/things%2f1"}, 404, "not_found", None),
    "an empty segment": ({"path": "//v1/things/1"}, 404, "not_found", None),
    "a NUL in the path": ({"path": "/v1/things/%00"}, 404, "not_found", None),
    "a backslash": ({"path": "/v1\\things\\1"}, 404, "not_found", None),
    "path parameters": ({"path": "/v1/things/1;x=y"}, 404, "not_found", None),
    "a card number in the query": (
        {"path": "/v1/things/1?q=4111-1111-1111-1111"},
        400,
        "malformed",
        "card_number",
    ),
    "a hidden card number in the query": (
        {"path": "/v1/things/1?q=%34111%20%31111+1111%201111"},
        400,
        "malformed",
        "card_number",
    ),
    "a body with GET": (
        {"headers": [JSON], "body": b"{}"},
        400,
        "malformed",
        "body_not_expected",
    ),
    "a body with DELETE": (
        {"method": "DELETE", "headers": [JSON], "body": b"{}"},
        400,
        "malformed",
        "body_not_expected",
    ),
    "a body of no type": ({"method": "POST", "body": b"{}"}, 415, "unsupported_media_type", None),
    "a form": (
        {
            "method": "POST",
            "headers": ["Content-Type: application/x-www-form-urlencoded"],
            "body": b"a=b",
        },
        415,
        "unsupported_media_type",
        None,
    ),
    "text": (
        {"method": "POST", "headers": ["Content-Type: text/plain"], "body": b"{}"},
        415,
        "unsupported_media_type",
        None,
    ),
    "another character set": (
        {
            "method": "POST",
            "headers": ["Content-Type: application/json; charset=utf-16"],
            "body": b"{}",
        },
        415,
        "unsupported_media_type",
        None,
    ),
    "a compressed body": (
        {"method": "POST", "headers": [JSON, "Content-Encoding: gzip"], "body": b"{}"},
        415,
        "unsupported_media_type",
        None,
    ),
    "two content types": (
        {"method": "POST", "headers": [JSON, JSON], "body": b"{}"},
        400,
        "malformed",
        "duplicate_header",
    ),
    "a body that is too large": (
        {"method": "POST", "headers": [JSON], "body": b" " * 70_000},
        413,
        "body_too_large",
        None,
    ),
}


@pytest.mark.parametrize(
    ("request_", "status", "code", "error"), REFUSED.values(), ids=REFUSED.keys()
)
async def test_what_is_not_in_order_does_not_get_in(
    edge, request_bytes, inner, request_, status, code, error
):
    send = await edge()

    heard = await send(request_bytes(**request_))

    assert heard.status == status
    assert inner.reached == 0
    if code is not None:
        assert heard.problem["code"] == code
        assert heard.problem["instance"] == heard["Request-Id"]
        assert codes(heard) == ([error] if error else [])


@pytest.mark.parametrize(
    "raw",
    [
        b"POST /v1/things/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
        b"Content-Length: 3\r\n\r\n{}",
        b"POST /v1/things/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"POST /v1/things/1 HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}",
        b"POST /v1/things/1 HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n{}",
        b"GET /v1/things/1 HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET /v1/things/1 HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
        b"GET /v1/things/1 HTTP/9.9\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET http://other.example/v1/things/1\r\n\r\n",
    ],
)
async def test_bytes_that_two_servers_would_read_differently_do_not_get_in(edge, inner, raw):
    send = await edge()

    heard = await send(raw)

    assert heard.status == 400
    assert inner.reached == 0


async def test_an_address_in_full_is_held_to_the_same_rules(edge, request_bytes, inner):
    send = await edge()

    assert (await send(request_bytes(path="http://other.example/v1/things/1"))).status == 200
    assert (await send(request_bytes(path="http://other.example/v1/../things/1"))).status == 404
    assert inner.reached == 1


async def test_a_body_in_chunks_is_read_and_counted(edge, request_bytes, inner):
    send = await edge()
    head = request_bytes("POST", headers=[JSON, "Transfer-Encoding: chunked"])

    small = await send(head + b"5\r\n[1,2,\r\n2\r\n3]\r\n0\r\n\r\n")
    large = await send(head + b"9000\r\n" + b" " * 0x9000 + b"\r\n9000\r\n" + b" " * 0x9000)

    assert small.body == b'{"bytes":7,"method":"POST"}'
    assert (large.status, large.problem["code"]) == (413, "body_too_large")
    assert inner.reached == 1


async def test_a_body_that_is_announced_too_large_is_not_waited_for(edge, request_bytes, inner):
    send = await edge()
    head = request_bytes("POST", headers=[JSON, "Content-Length: 1000000000"])

    heard = await send(head, seconds=1)

    assert heard.status == 413
    assert heard["Connection"] == "close"
    assert inner.reached == 0


async def test_the_largest_body_gets_in(edge, request_bytes):
    send = await edge()

    heard = await send(request_bytes("POST", headers=[JSON], body=b" " * 65_536))

    assert heard.status == 200


@pytest.mark.parametrize("trickle", [b"", b" "])
async def test_a_body_that_trickles_in_is_not_waited_for(edge, request_bytes, inner, trickle):
    send = await edge(limits=Limits(body_seconds=0.3))
    head = request_bytes("POST", headers=[JSON, "Content-Length: 100"])

    async def slowly(writer):
        while not writer.is_closing():
            writer.write(trickle)
            await asyncio.sleep(0.05)

    heard = await send(head, beside=slowly)

    assert (heard.status, heard.problem["code"]) == (408, "body_too_slow")
    assert inner.reached == 0


async def test_a_client_that_hangs_up_within_its_body_leaves_nothing(edge, request_bytes, inner):
    send = await edge()
    _reader, writer = await asyncio.open_connection("127.0.0.1", send.port)
    writer.write(request_bytes("POST", headers=[JSON, "Content-Length: 100"]) + b"{")
    await writer.drain()
    writer.close()
    await asyncio.sleep(0.1)

    assert (await send(request_bytes())).status == 200
    assert inner.reached == 1


async def test_an_answer_that_does_not_come_becomes_a_503(edge, request_bytes, lines):
    send = await edge(limits=Limits(answer_seconds=0.2))

    heard = await send(request_bytes(path="/v1/slow"))

    assert (heard.status, heard.problem["code"]) == (503, "answer_too_slow")
    assert heard["Retry-After"] == "1"
    assert [line["status"] for line in lines if line["event"] == "request"] == [503]


async def test_a_client_that_does_not_read_is_let_go(edge, request_bytes, lines):
    send = await edge(limits=Limits(answer_seconds=0.3))
    _reader, writer = await asyncio.open_connection("127.0.0.1", send.port, limit=1024)
    writer.write(request_bytes(path="/v1/large"))

    async with asyncio.timeout(5):
        while not any(line["event"] == "request" for line in lines):  # noqa: ASYNC110  # a log
            await asyncio.sleep(0.05)
    writer.close()


async def test_nothing_under_a_path_becomes_a_problem_document(edge, request_bytes):
    send = await edge()

    heard = await send(request_bytes(path="/v1/anna@shop.example"))
    assert heard.status == 404
    assert heard.problem["code"] == "not_found"
    assert SECRET.encode() not in heard.body

    heard = await send(request_bytes("DELETE", path="/v1/slow"))
    assert (heard.status, heard.problem["code"]) == (405, "method_not_allowed")
    assert heard["Allow"]


async def test_a_bare_error_of_the_application_is_replaced_by_a_document(edge, request_bytes):
    send = await edge()

    heard = await send(request_bytes(path="/raw/plain"))

    assert (heard.status, heard.problem["code"]) == (404, "not_found")
    assert SECRET.encode() not in heard.body
    assert int(heard["Content-Length"]) == len(heard.body)


async def test_a_refusal_of_the_application_becomes_a_document(edge, request_bytes):
    send = await edge()

    heard = await send(request_bytes(path="/raw/refusal"))

    assert (heard.status, heard.problem["detail"]) == (404, "no order ord_1")


async def test_oauths_endpoint_speaks_oauth(edge, request_bytes, inner):
    send = await edge()
    form = "Content-Type: application/x-www-form-urlencoded"

    heard = await send(request_bytes("POST", "/v1/token", [form], b"a=b"))
    assert (heard.status, heard.body) == (400, b'{"error":"invalid_request"}')

    heard = await send(request_bytes("POST", "/v1/token", [JSON], b"{}"))
    assert heard.status == 415
    assert inner.reached == 1


async def test_a_bug_shows_where_it_is_and_never_what_it_said(edge, request_bytes, lines):
    send = await edge()

    heard = await send(request_bytes(path="/v1/bug"))

    assert (heard.status, heard.problem["code"]) == (500, "internal_error")
    assert SECRET.encode() not in heard.body
    (bug,) = [line for line in lines if line["event"] == "bug"]
    assert bug["exception"] == "ValueError"
    assert re.fullmatch(r"conftest\.py:\d+", bug["where"])
    assert bug["request_id"] == heard["Request-Id"]
    assert SECRET not in str(lines)


async def test_an_answer_that_breaks_off_is_seen_to_be_incomplete(
    edge, request_bytes, lines, caplog
):
    send = await edge()

    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"http://127.0.0.1:{send.port}/raw/half")

    assert SECRET not in str(lines) + caplog.text


async def test_the_log_names_the_route_and_never_the_address(edge, request_bytes, lines):
    send = await edge()

    await send(request_bytes(path=f"/v1/things/{'a' * 12}?email=x", headers=["X-Name: Anna"]))
    await send(request_bytes(path="/v1/secret-place"))

    known, unknown = (line for line in lines if line["event"] == "request")
    assert known["route"] == "/v1/things/{thing}"
    assert (known["method"], known["status"]) == ("GET", 200)
    assert known["milliseconds"] > 0
    assert unknown["route"] == "none"
    assert not any(word in str(lines) for word in ("aaaa", "email", "Anna", "secret-place"))


ORIGIN = "https://shop.example"
PREFLIGHT = [
    "Access-Control-Request-Method: POST",
    "Access-Control-Request-Headers: authorization",
]


async def test_a_listed_page_may_call(edge, request_bytes):
    send = await edge(origins=[ORIGIN])

    heard = await send(request_bytes(headers=[f"Origin: {ORIGIN}"]))

    assert heard["Access-Control-Allow-Origin"] == ORIGIN
    assert "Request-Id" in heard["Access-Control-Expose-Headers"]
    assert heard["Access-Control-Allow-Credentials"] is None
    assert heard["Vary"] == "Origin"


async def test_a_listed_page_may_ask_first(edge, request_bytes, inner):
    send = await edge(origins=[ORIGIN], with_credentials=[ORIGIN])

    heard = await send(request_bytes("OPTIONS", headers=[f"Origin: {ORIGIN}", *PREFLIGHT]))

    assert heard.status == 204
    assert heard["Access-Control-Allow-Origin"] == ORIGIN
    assert "PATCH" in heard["Access-Control-Allow-Methods"]
    assert "Authorization" in heard["Access-Control-Allow-Headers"]
    assert heard["Access-Control-Allow-Credentials"] == "true"
    assert inner.reached == 0


@pytest.mark.parametrize(
    "origin",
    [
        "https://attacker.example",
        "http://shop.example",
        "https://shop.example:8443",
        "https://shop.example.attacker.example",
        "https://shop.example/",
        "HTTPS://SHOP.EXAMPLE",
        "null",
        "*",
        "",
    ],
)
async def test_any_other_page_may_not(edge, request_bytes, inner, origin):
    send = await edge(origins=[ORIGIN])

    asked = await send(request_bytes("OPTIONS", headers=[f"Origin: {origin}", *PREFLIGHT]))
    called = await send(request_bytes(headers=[f"Origin: {origin}"]))

    assert asked.status == 403
    for heard in (asked, called):
        assert heard["Access-Control-Allow-Origin"] is None
        assert heard["Vary"] == "Origin"


@pytest.mark.parametrize(
    ("origins", "with_credentials"),
    [
        (["*"], []),
        (["https://*.shop.example"], []),
        (["shop.example"], []),
        (["https://shop.example/"], []),
        (["null"], []),
        ([""], []),
        ([ORIGIN], ["https://other.example"]),
    ],
)
def test_a_list_that_is_not_of_exact_origins_stops_the_start(origins, with_credentials):
    with pytest.raises(ValueError, match="origin"):
        Cors(origins, with_credentials=with_credentials)


async def test_websockets_are_turned_away(inner):
    sent = []

    async def send(message):
        sent.append(message)

    edge = Edge(inner, cors=Cors([]), https=False)
    await edge({"type": "websocket", "path": "/"}, None, send)

    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_many_requests_on_one_connection_do_not_mix(edge, request_bytes):
    send = await edge()
    keep = request_bytes("POST", headers=[JSON], body=b"[1]").replace(b"Connection: close\r\n", b"")
    refused = request_bytes("POST", headers=[JSON], body=b"x" * 70_000)

    heard = await send(keep + keep + refused)

    assert heard.status == 200
    assert heard.body.count(b"HTTP/1.1 200") == 1  # the second; the first is parsed away
    assert b"HTTP/1.1 413" in heard.body
