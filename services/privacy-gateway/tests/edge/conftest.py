"""The edge behind a real socket, with an application that shows what reaches it."""

import asyncio
import re
from dataclasses import dataclass

import orjson
import pytest
from fastapi import FastAPI, Request, Response

from privacy_gateway.api import arrival
from privacy_gateway.api.cors import Cors
from privacy_gateway.api.edge import Edge, Limits
from privity_rest import NotFound, problems

SECRET = "anna@shop.example"


class Inner:
    """What stands behind the edge; counts who got through."""

    def __init__(self):
        self.reached = 0
        self.app = FastAPI(redirect_slashes=False, openapi_url=None, docs_url=None)
        problems.install(self.app)
        self._add_routes()

    async def __call__(self, scope, receive, send):
        self.reached += scope["type"] == "http"
        if scope.get("path") == "/raw/refusal":
            raise NotFound("no order ord_1")
        if scope.get("path") == "/raw/plain":
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": SECRET.encode()})
            return
        if scope.get("path") == "/raw/half":
            start = {"type": "http.response.start", "status": 200, "headers": []}
            await send(start | {"headers": [(b"content-length", b"10")]})
            await send({"type": "http.response.body", "body": b"12345", "more_body": True})
            raise ValueError(SECRET)
        await self.app(scope, receive, send)

    def _add_routes(self):
        app = self.app

        @app.api_route("/v1/things/{thing}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
        async def thing(request: Request):
            body = await request.body()
            assert body == arrival.of(request).body
            return Response(orjson.dumps({"bytes": len(body), "method": request.method}))

        @app.post("/v1/token")
        async def token():
            error = orjson.dumps({"error": "invalid_request"})
            return Response(error, status_code=400, media_type="application/json")

        @app.get("/v1/slow")
        async def slow():
            await asyncio.sleep(30)

        @app.get("/v1/bug")
        async def bug():
            raise ValueError(SECRET)

        @app.get("/v1/kept")
        async def kept(request: Request):
            arrival.of(request).cache_control = b"public, max-age=300"
            return Response(b"{}", headers={"Cache-Control": "private", "X-Frame-Options": "ALLOW"})

        @app.get("/v1/large")
        async def large():
            return Response(b"x" * 50_000_000)


@dataclass
class Heard:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name):
        values = [value for key, value in self.headers if key == name.lower()]
        assert len(values) <= 1, f"{name} twice"
        return values[0] if values else None

    @property
    def problem(self):
        assert self["content-type"] == "application/problem+json"
        return orjson.loads(self.body)


def parsed(raw):
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = [line.split(": ", 1) for line in lines]
    status = int(re.match(r"HTTP/1\.1 (\d{3})", first)[1])
    return Heard(status, [(name.lower(), value) for name, value in pairs], body)


@pytest.fixture
def inner():
    return Inner()


@pytest.fixture
async def edge(serve, inner):
    """Starts the edge; what it gives sends raw bytes and reads until the server closes."""

    async def start(*, limits=None, https=False, origins=(), with_credentials=()):
        cors = Cors(origins, with_credentials=with_credentials)
        port = await serve(Edge(inner, cors=cors, https=https, limits=limits or Limits()))

        async def send(raw, *, beside=None, seconds=5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(raw)
            task = asyncio.create_task(beside(writer)) if beside else None
            try:
                async with asyncio.timeout(seconds):
                    return parsed(await reader.read())
            finally:
                writer.close()
                if task is not None:
                    task.cancel()

        send.port = port
        return send

    return start


@pytest.fixture
def request_bytes():
    """A plain request; the server closes after it."""

    def make(method="GET", path="/v1/things/1", headers=(), body=None, host="shop.example"):
        lines = [f"{method} {path} HTTP/1.1"]
        if host is not None:
            lines.append(f"Host: {host}")
        lines += ["Connection: close", *headers]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")

    return make
