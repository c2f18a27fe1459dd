"""The service at its door, with what surrounds it: a database, a clock, a gateway to write to."""

import asyncio
import contextlib
import secrets
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from customers.main import create_app
from customers.settings import Settings
from privity_contracts.ids import mint
from privity_postgres.testing import DatabaseUrls, MakeDatabase

from .surroundings import GatewayStandIn, Process, Sealing, serving

EMAIL = "user.contact.email"
PHONE = "user.contact.phone_number"


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Person:
    name: str
    email: str
    phone: str
    password: str


@dataclass
class SignedIn:
    person: Person
    account_id: str
    session_id: str
    refresh_token: str


@dataclass
class Door:
    """Speaks to the service as the gateway does."""

    http: httpx.AsyncClient
    app: FastAPI
    sealing: Sealing
    gateway: GatewayStandIn
    urls: DatabaseUrls

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        customer: SignedIn | None = None,
        **headers: str,
    ) -> httpx.Response:
        """Keyword arguments are further headers: `privity_new_id` is `privity-new-id`."""
        said = httpx.Headers({"Request-Id": mint("req")})
        said.update({"Privity-Caller": "visitor", "Privity-Actor": "visitor"})
        if customer is not None:
            said.update(
                {
                    "Privity-Caller": "customer",
                    "Privity-Actor": customer.account_id,
                    "Privity-Subject": customer.account_id,
                    "Privity-Session": customer.session_id,
                    "Privity-Purpose": "self_service",
                    "Privity-Role": "customer",
                }
            )
        said.update({name.replace("_", "-"): value for name, value in headers.items()})
        return await self.http.request(method, path, json=body, headers=said)

    async def register(self, person: Person, *, account_id: str | None = None) -> httpx.Response:
        seal, index = self.sealing.seal, self.sealing.index
        body = {
            "name": seal("user.name", person.name),
            "email": seal(EMAIL, person.email),
            "email_index": index(EMAIL, person.email),
            "phone": seal(PHONE, person.phone),
            "phone_index": index(PHONE, person.phone),
            "password": person.password,
        }
        return await self.ask(
            "POST", "/v1/registrations", body, privity_new_id=account_id or mint("cus")
        )

    async def letter(self, person: Person, *, number: int = 1) -> dict[str, Any]:
        """The latest letter to a person, once they have got that many."""
        return (await self._posted(self.gateway.letters, person, number))[-1]

    async def tried(self, person: Person, *, number: int = 1) -> list[dict[str, Any]]:
        """What was posted for a person, with success or without, once it is that much."""
        return await self._posted(self.gateway.attempts, person, number)

    async def _posted(
        self, posted: list[dict[str, Any]], person: Person, number: int
    ) -> list[dict[str, Any]]:
        for _ in range(1000):
            found = [
                letter
                for letter in posted
                if self.sealing.plaintexts[letter["email"]] == person.email
            ]
            if len(found) >= number:
                return found
            await asyncio.sleep(0.02)
        raise AssertionError("no letter came")

    async def confirm(self, registration_id: str, code: str) -> httpx.Response:
        return await self.ask(
            "POST", f"/v1/registrations/{registration_id}/confirmation", {"code": code}
        )

    async def events(self, **data: str) -> list[dict[str, Any]]:
        """The types and data of the events about something, once there is one."""
        for _ in range(1000):
            found = [one for one in self.gateway.events if data.items() <= one["data"].items()]
            if found:
                return found
            await asyncio.sleep(0.02)
        raise AssertionError("no event came")

    async def sign_in(self, person: Person, password: str | None = None) -> httpx.Response:
        body = {
            "email_index": self.sealing.index(EMAIL, person.email),
            "password": password or person.password,
        }
        return await self.ask("POST", "/v1/sessions", body)

    async def signed_in(self, person: Person) -> SignedIn:
        answer = await self.sign_in(person)
        assert answer.status_code == 201, answer.text
        opened = answer.json()
        return SignedIn(person, opened["account_id"], opened["session_id"], opened["refresh_token"])

    async def refresh(self, token: str) -> httpx.Response:
        return await self.ask("POST", "/v1/sessions/refresh", {"refresh_token": token})


@pytest.fixture(scope="package")
def sealing() -> Sealing:
    return Sealing()


@pytest.fixture(scope="package")
def the_clock() -> Clock:
    return Clock()


@pytest.fixture
def clock(the_clock: Clock) -> Iterator[Clock]:
    yield the_clock
    the_clock.ahead = timedelta()


@pytest.fixture(scope="package")
def folder() -> Iterator[Path]:
    # A socket's path has about a hundred bytes; pytest's own folders may be longer.
    folder = Path(tempfile.mkdtemp(prefix="customers-"))
    yield folder
    shutil.rmtree(folder)


def _secret(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text(secrets.token_hex(32))
    path.chmod(0o600)
    return path


@pytest.fixture(scope="package")
async def gateway(folder: Path) -> AsyncIterator[GatewayStandIn]:
    standin = GatewayStandIn(_secret(folder, "outbound").read_text())
    async with serving(standin, folder / "gateway.sock", lifespan="off"):
        yield standin


@pytest.fixture(scope="package")
def urls(make_database: MakeDatabase) -> DatabaseUrls:
    return make_database("customers", apart=("reader",))


@pytest.fixture(scope="package")
def settings(folder: Path, urls: DatabaseUrls, gateway: GatewayStandIn) -> Settings:
    return Settings(
        database_url=SecretStr(urls.runtime),
        migration_database_url=SecretStr(urls.owner),
        inbound_key_file=_secret(folder, "inbound"),
        outbound_key_file=folder / "outbound",
        code_key_file=_secret(folder, "codes"),
        gateway_url=f"unix:{folder / 'gateway.sock'}",
        controller_name="Example Shop",
        controller_url="https://shop.example",
        controller_country="DE",
        argon2_memory_kib=19456,
        argon2_passes=2,
    )


@pytest.fixture(scope="package")
async def door(
    *,
    settings: Settings,
    folder: Path,
    the_clock: Clock,
    sealing: Sealing,
    gateway: GatewayStandIn,
    urls: DatabaseUrls,
) -> AsyncIterator[Door]:
    app, socket = create_app(settings, clock=the_clock), folder / "customers.sock"
    async with serving(app, socket), speaking(socket, settings) as http:
        yield Door(http, app, sealing, gateway, urls)


@contextlib.asynccontextmanager
async def speaking(socket: Path, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(uds=str(socket)),
        base_url="http://customers",
        headers={"Authorization": f"Bearer {settings.inbound_key_file.read_text()}"},
        timeout=30,
    ) as http:
        yield http


@pytest.fixture
async def process(
    settings: Settings,
    folder: Path,
    sealing: Sealing,
    gateway: GatewayStandIn,
    make_database: MakeDatabase,
) -> AsyncIterator[Process]:
    """The service as `make run` starts it: a process of its own, on a database of its own."""
    urls = make_database("customers_process")
    own = settings.model_copy(
        update={
            "database_url": SecretStr(urls.runtime),
            "migration_database_url": SecretStr(urls.owner),
        }
    )
    process = Process(own, folder / "process.sock", folder / "process.log")
    async with speaking(process.socket, own) as http:
        process.door = Door(http, FastAPI(), sealing, gateway, urls)
        yield process
    process.stop(signal.SIGKILL)


@pytest.fixture
def a_person() -> Callable[[], Person]:
    def make() -> Person:
        tail = secrets.token_hex(6)
        return Person(
            name=f"Ada Lovelace {tail}",
            email=f"ada.{tail}@example.org",
            phone=f"+4930{secrets.randbelow(10**8):08d}",
            password=f"correct horse {tail}",
        )

    return make


@pytest.fixture
def a_customer(door: Door, a_person: Callable[[], Person]) -> Callable[[], Any]:
    """Somebody who registered, confirmed and signed in."""

    async def make() -> SignedIn:
        person = a_person()
        begun = (await door.register(person)).json()
        code = (await door.letter(person))["facts"]["code"]
        assert (await door.confirm(begun["id"], code)).status_code == 200
        return await door.signed_in(person)

    return make
