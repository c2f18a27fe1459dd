"""The adapter behind a stand-in for the gateway: real HTTP, a real database, real time."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from logistics_adapter.main import MIGRATIONS, create_app
from logistics_adapter.models import Base
from logistics_adapter.settings import Settings
from privity_contracts.ids import mint
from privity_database import migrate
from privity_postgres.testing import DatabaseUrls, MakeDatabase

INBOUND, OUTBOUND = "i" * 64, "o" * 64
SITE = "north"
CARRIER = mint("rcp")
DISPATCHER = {"caller": "staff", "actor": "stf_1", "role": "dispatch", "work": f"site/{SITE}"}
OWNER = {"caller": "staff", "actor": "stf_2", "role": "shop_owner"}
ORDERS = {"caller": "service", "actor": "svc_orders", "role": "service"}


def token(category: str) -> str:
    return f"s1:{mint('key')}:{category}:{os.urandom(48).hex()}"


@dataclass
class Disclosure:
    body: dict[str, Any]
    began: float
    ended: float | None = None

    @property
    def id(self) -> str:
        return str(self.body["id"])


@dataclass
class Gateway:
    """What the adapter sees of the gateway: an order's sealed details, disclosures, events."""

    socket: Path
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    """What the next disclosures come to; then they are delivered."""
    statuses: list[int] = field(default_factory=list)
    """What the next disclosures are answered with; then 200."""
    pause: float = 0
    answering: asyncio.Event = field(default_factory=asyncio.Event)
    """While it is not set, disclosures wait."""
    disclosures: list[Disclosure] = field(default_factory=list)
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    orders_status: int = 200
    strangers: int = 0

    def has(self, order_id: str, subject_id: str, country: str = "ES") -> dict[str, Any]:
        self.orders[order_id] = {
            "order_id": order_id,
            "subject_id": subject_id,
            "recipient": token("user.name"),
            "phone": token("user.contact.phone_number"),
            "line1": token("user.contact.address.street"),
            "line2": None,
            "city": token("user.contact.address.city"),
            "postal_code": token("user.contact.address.postal_code"),
            "country": country,
            "privacy": {"purpose": "service_operation"},
        }
        return self.orders[order_id]

    def told(self, order_id: str) -> list[str]:
        return [e["type"] for e in self.events.values() if e["data"]["order_id"] == order_id]

    def application(self) -> FastAPI:
        app = FastAPI()

        @app.middleware("http")
        async def known(request: Request, go_on: Any) -> Response:
            presented = request.headers.get("authorization"), request.headers.get("privity-service")
            if presented != (f"Bearer {OUTBOUND}", "logistics-adapter"):
                self.strangers += 1
                return Response(status_code=401)
            answer: Response = await go_on(request)
            return answer

        @app.get("/v1/orders/{order_id}/delivery")
        async def delivery(order_id: str) -> Response:
            if self.orders_status != 200:
                return Response(status_code=self.orders_status)
            if order_id not in self.orders:
                return JSONResponse({"code": "order_not_found"}, status_code=404)
            return JSONResponse(self.orders[order_id])

        @app.post("/v1/disclosures")
        async def disclose(request: Request) -> Response:
            disclosure = Disclosure(await request.json(), time.monotonic())
            self.disclosures.append(disclosure)
            await self.answering.wait()
            await asyncio.sleep(self.pause)
            disclosure.ended = time.monotonic()
            status = self.statuses.pop(0) if self.statuses else 200
            if status != 200:
                return JSONResponse({"code": "another_delivery"}, status_code=status)
            if self.outcomes:
                return JSONResponse(self.outcomes.pop(0))
            return JSONResponse({"outcome": "delivered", "status": 204, "reason": "accepted"})

        @app.post("/v1/events")
        async def event(request: Request) -> Response:
            body = await request.json()
            self.events[body["id"]] = body
            return Response(status_code=202)

        return app


@pytest.fixture
def place() -> Iterator[Path]:
    # Not tmp_path: a Unix socket's path has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="lgs-") as folder:
        yield Path(folder)


@pytest.fixture
async def gateway(place: Path) -> AsyncIterator[Gateway]:
    there = Gateway(place / "gateway.sock")
    there.answering.set()
    config = uvicorn.Config(
        there.application(), uds=str(there.socket), log_level="warning", lifespan="off"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:  # noqa: ASYNC110  # uvicorn offers no event
            await asyncio.sleep(0.01)
    yield there
    server.should_exit = server.force_exit = True
    await serving
    await server.lifespan.shutdown()  # a forced exit leaves it waiting for ever


@pytest.fixture(scope="package")
async def database(make_database: MakeDatabase) -> DatabaseUrls:
    made = make_database("logistics")
    await migrate(made.owner, MIGRATIONS)
    return made


@pytest.fixture
async def urls(database: DatabaseUrls) -> DatabaseUrls:
    """Empty. One database for all tests: making one takes longer than most of them."""
    engine = create_async_engine(database.owner)
    async with engine.begin() as connection:
        tables = ", ".join(table.name for table in Base.metadata.sorted_tables)
        await connection.execute(text(f"TRUNCATE {tables}"))
    await engine.dispose()
    return database


@pytest.fixture
def environment(urls: DatabaseUrls, gateway: Gateway, place: Path) -> Mapping[str, str]:
    for name, secret in (("inbound", INBOUND), ("outbound", OUTBOUND)):
        file = place / name
        file.write_text(secret)
        file.chmod(0o600)
    return {
        "LOGISTICS_DATABASE_URL": urls.runtime,
        "LOGISTICS_MIGRATION_DATABASE_URL": urls.owner,
        "LOGISTICS_INBOUND_KEY_FILE": str(place / "inbound"),
        "LOGISTICS_OUTBOUND_KEY_FILE": str(place / "outbound"),
        "LOGISTICS_GATEWAY_URL": f"unix:{gateway.socket}",
        "LOGISTICS_RETRY_FIRST_SECONDS": "0.05",
        "LOGISTICS_RETRY_CAP_SECONDS": "0.2",
        "LOGISTICS_RETRY_ATTEMPTS": "6",
        "LOGISTICS_JOB_LEASE_SECONDS": "2.5",
    }


class Api:
    """Calls the adapter as the gateway does for somebody."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def __call__(
        self, method: str, path: str, who: Mapping[str, str], body: Any = None, **query: str
    ) -> httpx.Response:
        headers = {f"Privity-{name.title()}": value for name, value in who.items()}
        return await self._client.request(
            method, path, headers=headers, json=body, params=query or None
        )

    async def shipment(self, order_id: str, who: Mapping[str, str] = DISPATCHER) -> dict[str, Any]:
        answer = await self("GET", f"/v1/orders/{order_id}/shipment", who)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def until(self, order_id: str, state: str, seconds: float = 30) -> dict[str, Any]:
        shipment: dict[str, Any] = {}
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            shipment = await self.shipment(order_id)
            if shipment["state"] == state:
                return shipment
            await asyncio.sleep(0.02)
        raise AssertionError(f"it is {shipment['state']}: {shipment['blocked_reason']}")


@pytest.fixture
async def api(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Api]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    app = create_app(Settings())  # type: ignore[call-arg]  # from the environment
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        yield await _client(stack, httpx.ASGITransport(app=app))


async def _client(stack: AsyncExitStack, transport: httpx.AsyncBaseTransport) -> Api:
    headers = {"Authorization": f"Bearer {INBOUND}", "Request-Id": "req_test"}
    client = httpx.AsyncClient(
        transport=transport, base_url="http://logistics", headers=headers, timeout=30
    )
    return Api(await stack.enter_async_context(client))


def customer(subject_id: str) -> dict[str, str]:
    return {
        "caller": "customer",
        "actor": subject_id,
        "subject": subject_id,
        "role": "customer",
        "purpose": "self_service",
    }


def partner(recipient_id: str) -> dict[str, str]:
    return {"caller": "partner", "actor": recipient_id, "role": "partner", "purpose": "delivery"}


def event(type_: str, **data: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return {"id": mint("evt"), "type": type_, "occurred_at": now, "data": data}


@dataclass
class Packed:
    order_id: str
    subject_id: str
    event: dict[str, Any]


Pack = Callable[..., Awaitable[Packed]]


@pytest.fixture
async def route(api: Api) -> None:
    path, choice = "/v1/carrier-routes/default", {"recipient_id": CARRIER}
    assert (await api("PUT", path, OWNER, choice)).status_code == 200


@pytest.fixture
async def pack(api: Api, gateway: Gateway) -> Pack:
    """An order is packed and the adapter is told."""

    async def go(site: str = SITE, **data: str) -> Packed:
        order_id, subject_id = mint("ord"), mint("cus")
        gateway.has(order_id, subject_id)
        told = event("order.packed", order_id=order_id, subject_id=subject_id, site=site, **data)
        answer = await api("POST", "/v1/events", ORDERS, told)
        assert answer.status_code == 204, answer.text
        return Packed(order_id, subject_id, told)

    return go


class Process:
    """The adapter as it runs: a process of its own, on a Unix socket."""

    def __init__(self, environment: Mapping[str, str], socket: Path) -> None:
        self._environment = {**os.environ, **environment}
        self.socket = socket
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "uvicorn", "logistics_adapter.main:create_app"]
        options = ["--factory", "--uds", str(self.socket), "--log-level", "error"]
        self.process = subprocess.Popen([*command, *options], env=self._environment)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    @asynccontextmanager
    async def api(self) -> AsyncIterator[Api]:
        async with AsyncExitStack() as stack:
            api = await _client(stack, httpx.AsyncHTTPTransport(uds=str(self.socket)))
            for _ in range(400):
                try:
                    await api("GET", "/healthz", {})
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
            yield api


@pytest.fixture
def processes(environment: Mapping[str, str], place: Path) -> Iterator[list[Process]]:
    both = [Process(environment, place / f"{n}.sock") for n in range(2)]
    yield both
    for process in both:
        process.kill()


@pytest.fixture
def settled() -> Callable[..., Awaitable[None]]:
    """Waits until as many have arrived, and fails when more do."""

    async def wait(found: Callable[[], list[Any]], count: int) -> None:
        async with asyncio.timeout(30):
            while len(found()) < count:  # noqa: ASYNC110  # the stand-in offers no event
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
        assert len(found()) == count

    return wait
