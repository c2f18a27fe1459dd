"""Whole gateways on one set of databases, before services that say what a test tells them."""

import asyncio
import contextlib
import email
import json
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import asyncpg
import httpx
import orjson
import pytest
from aiosmtpd.smtp import SMTP
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from privacy_gateway.clients.line import for_driver
from privacy_gateway.domain.tokens import minting
from privacy_gateway.domain.tokens.jose import TokenSigner
from privacy_gateway.domain.vault.data_keys import DataKeys
from privacy_gateway.domain.vault.kek import KeyFile
from privacy_gateway.domain.vault.vault import Vault
from privacy_gateway.main import create_app
from privacy_gateway.settings import Settings
from privity_contracts import ids
from privity_database import migrate

from ..conftest import MIGRATIONS, Behind, listening  # noqa: TID252  # tests have no package of that name

HERE = Path(__file__).parents[2]
SERVICES = ("customers", "orders", "logistics-adapter")
PASSWORD = "correct horse battery"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
# Who works in these tests, by username: (roles, sites).
STAFF = {
    "kim": (["support_1", "warehouse"], ["north"]),
    "lee": (["support_1"], ["north"]),
    "sam": (["support_2"], ["north"]),
    "owner": (["shop_owner"], []),
    "privacy": (["data_protection_officer"], []),
    "engineer": (["engineer_on_call"], []),
    "officer": (["data_protection_officer"], []),
    "passing": (["support_1"], ["north"]),  # loses the role in a test
    "leaving": (["support_1", "warehouse"], ["north"]),  # and does not come back
    "spending": (["engineer_on_call"], []),
    "moving": (["support_1", "warehouse"], ["north"]),  # and comes back
    **{f"busy{n}": (["support_1", "warehouse"], ["north"]) for n in range(8)},
}


@pytest.fixture(scope="package")
def databases(make_database):
    return {
        "": make_database("grants_gateway"),
        "keys_": make_database("grants_keys"),
        "audit_": make_database("grants_audit", grants="insert_select", apart=("log",)),
        "journal_": make_database("grants_journal", grants="insert_select"),
    }


@pytest.fixture(scope="package")
def gateway_database(make_database):
    """One that no gateway works with."""
    urls = make_database("grants_scratch")
    asyncio.run(migrate(urls.owner, MIGRATIONS / "gateway"))
    return urls


@pytest.fixture(scope="package")
def secrets_dir(tmp_path_factory, audit_identity):
    folder = tmp_path_factory.mktemp("gateway")
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for name, text in {
        "blind-index": "11" * 32,
        "requests": "22" * 32,
        "token-signing.pem": pem,
        "audit-identity.pem": audit_identity,
        "receipt-signing.pem": pem,
    }.items():
        path = folder / name
        path.touch(mode=0o600)
        path.write_text(text)
    return folder


@pytest.fixture(scope="package")
def staff_file(secrets_dir):
    hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    path = secrets_dir / "staff.json"
    path.touch(mode=0o600)

    def write(staff: dict[str, tuple[list[str], list[str]]], groups) -> Path:
        listed = [
            {"username": name, "roles": roles, "sites": sites, "password_hash": hashed}
            for name, (roles, sites) in staff.items()
        ]
        path.write_text(json.dumps({"staff": listed, "groups": groups}))
        return path

    return write


@dataclass
class Gateway:
    """One process of it, over HTTP."""

    client: httpx.AsyncClient
    app: Any = None

    async def sign_in(self, username):
        body = {"username": username, "password": PASSWORD}
        answer = await self.client.post("/v1/staff/sign-in", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ask(self, username, purpose, work=None, **detail):
        """The answer of the token exchange."""
        identity = (await self.sign_in(username))["identity_token"]
        return await self.exchange(identity, purpose, work, **detail)

    async def exchange(self, identity, purpose, work=None, *, kind=ACCESS_TOKEN, **detail):
        asked = {"type": "privity_access", "purpose": purpose} | detail
        if work is not None:
            asked["work"] = work
        form = {
            "grant_type": EXCHANGE,
            "subject_token": identity,
            "subject_token_type": kind,
            "authorization_details": json.dumps([asked]),
        }
        return await self.client.post("/v1/token", data=form)

    async def grant(self, username, purpose, work=None, **detail):
        """Headers that carry a fresh grant."""
        answer = await self.ask(username, purpose, work, **detail)
        assert answer.status_code == 200, answer.text
        return bearer(answer.json()["access_token"])

    async def get(self, path, headers):
        return await self.client.get(path, headers=headers)

    async def post(self, path, headers, body=None):
        return await self.client.post(path, headers=headers, json=body)

    async def tell(self, kind, *, service="customers", at=None, **data):
        """An event of a service. `at` in seconds since 1970."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() if at is None else at))
        event = {"id": ids.mint("evt"), "type": kind, "occurred_at": moment, "data": data}
        key = {"Authorization": "Bearer " + "k" * 32, "Privity-Service": service}
        return await self.client.post("/v1/events", headers=key, json=event)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="package")
async def house():
    """The services behind all of these gateways."""
    async with Behind.opened(*SERVICES) as standing:
        for service in SERVICES:
            contract = HERE.parent / service / "openapi.json"
            (standing.folder / f"{service}.json").write_bytes(contract.read_bytes())
        yield standing


class MailSink:
    """A mail server that keeps what it takes, or takes nothing."""

    def __init__(self):
        self.taken = []
        self.answer = "250 taken"

    async def handle_DATA(self, server, session, envelope):  # the library's name
        if self.answer.startswith("250"):
            self.taken.append(email.message_from_bytes(envelope.content))
        return self.answer

    def about(self, opening_id):
        return [message for message in self.taken if opening_id in message["Message-ID"]]


@pytest.fixture(scope="package")
async def mail_sink():
    sink = MailSink()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(sink), "127.0.0.1", 0)
    sink.port = server.sockets[0].getsockname()[1]
    yield sink
    server.close()


@pytest.fixture(scope="package")
def starting(databases, secrets_dir, staff_file, house, mail_sink):
    """Starts one more process's worth of gateway, open for as long as the stack given."""
    urls = {
        f"{name}{kind}": getattr(of, role)
        for name, of in databases.items()
        for kind, role in (("database_url", "runtime"), ("migration_database_url", "owner"))
    }

    async def start(stack, *, staff=STAFF, groups=MappingProxyType({}), **changes):
        said = {
            "secrets_dir": secrets_dir,
            "spool_dir": secrets_dir / "spool",
            "audit_log_behind_seconds": 100_000,  # nothing puts records in order here
            "policy_dir": HERE / "policy",
            "public_url": "http://gateway.example",
            "services": {name: house.endpoint(name) for name in SERVICES},
            "smtp_host": "127.0.0.1",
            "smtp_port": mail_sink.port,
            "smtp_require_tls": False,
            "mail_sender": "shop@example.org",
            "data_protection_mail": "privacy@shop.example",
            "staff_file": staff_file(staff, dict(groups)),
        }
        app = create_app(Settings(**urls, **said | changes))
        port = await listening(app, stack)
        client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False)
        return Gateway(await stack.enter_async_context(client), app)

    return start


@pytest.fixture(scope="module")
async def new_gateway(starting):
    """One more gateway, which stays for the tests of its file."""
    async with contextlib.AsyncExitStack() as stack:
        yield partial(starting, stack)


@pytest.fixture(scope="package")
async def gateway(starting):
    async with contextlib.AsyncExitStack() as stack:
        yield await starting(stack)


@pytest.fixture(scope="package")
async def other_gateway(starting, gateway):
    """A second process on the same databases."""
    async with contextlib.AsyncExitStack() as stack:
        yield await starting(stack)


@pytest.fixture(scope="package")
async def sealing(databases, secrets_dir, gateway):
    """A vault beside the gateway's, with its keys: what a service holds sealed comes from here."""
    keys = DataKeys(
        databases["keys_"].runtime,
        KeyFile.read(secrets_dir / "key-encryption.json"),
        deadline_seconds=10,
    )
    await keys.start()
    yield Vault(keys, index_key=b"\x11" * 32, request_key=b"\x22" * 32)
    await keys.close()


@pytest.fixture(scope="package")
def as_customer(secrets_dir):
    """Headers of a customer who is signed in."""
    signer = TokenSigner(
        (secrets_dir / "token-signing.pem").read_text(), issuer="http://gateway.example"
    )

    def headers(account):
        minted = minting.customer_token(
            signer, account=account, session=ids.mint("ses"), now=time.time()
        )
        return bearer(minted.token)

    return headers


@dataclass
class Order:
    id: str
    subject: str
    case: str

    @property
    def path(self):
        return f"/v1/orders/{self.id}/delivery"


CLASSES = {
    "user.name": "identity",
    "user.contact.phone_number": "identity",
    "user.contact.address.street": "delivery",
    "user.contact.address.city": "delivery",
    "user.contact.address.postal_code": "delivery",
}


@pytest.fixture
def an_order(house, sealing):
    """Lets the services hold an order of a customer, and a case about it."""

    async def make(*, assignee, site="north", subject=None, state="assigned"):
        order = Order(ids.mint("ord"), subject or ids.mint("cus"), ids.mint("cas"))
        values = [
            ("user.name", "Anna Beispiel"),
            ("user.contact.phone_number", "+4930123456"),
            ("user.contact.address.street", "Weg 1"),
            ("user.contact.address.city", "Berlin"),
            ("user.contact.address.postal_code", "10115"),
        ]
        sealed = await sealing.seal(order.subject, f"order/{order.id}", values, classes=CLASSES)
        names = ("recipient", "phone", "line1", "city", "postal_code")
        delivery = dict(zip(names, sealed, strict=True))
        known = {"order_id": order.id, "subject_id": order.subject, "country": "DE"}
        house.says("orders", order.path, delivery | known | {"line2": None, "region": None})
        facts = {"id": order.id, "state": "paid", "site": site}
        facts |= {"subject_id": order.subject, "updated_at": "2026-11-22T10:00:00Z"}
        house.says("orders", f"/v1/orders/{order.id}", facts)
        the_case(house, order, assignee=assignee, state=state)
        return order

    return make


def the_case(house, order, *, assignee, state="assigned", order_id=..., kind="enquiry"):
    house.says(
        "customers",
        f"/v1/cases/{order.case}/work",
        {
            "id": order.case,
            "kind": kind,
            "state": state,
            "subject_id": order.subject,
            "order_id": order.id if order_id is ... else order_id,
            "assignee": assignee,
        },
    )


@pytest.fixture
def records(databases):
    """What the audit store holds of one request."""

    async def of(answer):
        connection = await asyncpg.connect(for_driver(databases["audit_"].owner))
        try:
            rows = await connection.fetch("SELECT leaf FROM records ORDER BY recorded_at")
        finally:
            await connection.close()
        leaves = [orjson.loads(row["leaf"]) for row in rows]
        return [leaf for leaf in leaves if leaf.get("request") == answer.headers["Request-Id"]]

    return of
