"""The gateway's routes for disclosures, over real databases, and the service behind them."""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI, Request, Response

from privacy_gateway.api import disclosures, messages, partners, recipients, schemas
from privacy_gateway.api.cors import Cors
from privacy_gateway.api.edge import Edge
from privacy_gateway.clients.endpoints import AllowedAddresses
from privacy_gateway.clients.mail import Mail, MailServer, Sender
from privacy_gateway.clients.services import Endpoint, Services
from privacy_gateway.clients.webhooks import Webhooks
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.disclosure.record import Means
from privacy_gateway.domain.policy.in_force import PolicyInForce
from privacy_gateway.domain.tokens.caller import VISITOR, Caller, service
from privacy_gateway.domain.vault.data_keys import DataKeys
from privacy_gateway.domain.vault.vault import Vault
from privity_contracts import ids
from privity_database import Database
from privity_rest import problems

POLICY = Path(__file__).parents[3] / "policy" / "2026-11-22.yaml"
EMAIL = "aiko@customers.example"
DETAILS = {
    "recipient": ("user.name", "Aiko Ōe-Müller"),
    "phone": ("user.contact.phone_number", "+4915112345678"),
    "line1": ("user.contact.address.street", "Straße des 17. Juni 135"),
    "line2": ("user.contact.address.street", "c/o Hinterhof"),
    "city": ("user.contact.address.city", "Berlin"),
    "region": ("user.contact.address.state", "BE"),
    "postal_code": ("user.contact.address.postal_code", "10623"),
}
DELIVERY_CATEGORIES = [
    *sorted({category for category, _ in DETAILS.values()}),
    "user.contact.address.country",
]


class Logistics:
    """The adapter's door for tracking events: remembers, and answers as told."""

    def __init__(self) -> None:
        self.status = 202
        self.events: list[tuple[dict[str, str], Any]] = []
        self.app = FastAPI()
        self.app.add_api_route("/v1/tracking-events", self._take, methods=["POST"])

    async def _take(self, request: Request) -> Response:
        self.events.append((dict(request.headers), orjson.loads(await request.body())))
        return Response(status_code=self.status)


def _staff(role: str, purpose: str) -> Caller:
    return Caller(
        kind="staff",
        actor=ids.mint("stf"),
        subject=None,
        role=role,
        purpose=purpose,
        work=None,
        session=None,
        token_id=None,
        expires_at=None,
    )


CALLERS = {
    "visitor": VISITOR,
    "owner": _staff("shop_owner", "partner_management"),
    "owner for another purpose": _staff("shop_owner", "audit_review"),
    "support": _staff("support_1", "partner_management"),
    **{name: service(name) for name in ("customers", "orders", "logistics-adapter")},
}


class Introduced:
    """In the place of the authenticator, which has tests of its own: `X-As` names the caller."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            name = dict(scope["headers"]).get(b"x-as", b"visitor").decode()
            scope["privity.caller"] = CALLERS[name]
        await self._app(scope, receive, send)


@dataclass
class Gateway:
    client: httpx.AsyncClient
    means: Means
    records_connection: Any

    async def send(
        self, who: str, method: str, path: str, json: Any = None, **headers: str
    ) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.request(
            method, path, json=json, headers={"X-As": who, "Request-Id": ids.mint("req"), **named}
        )

    async def records(self, answer: httpx.Response) -> list[dict[str, Any]]:
        """What was written down for the request that got this answer."""
        found = await self.records_connection.fetch(
            "SELECT leaf FROM records WHERE convert_from(leaf, 'UTF8') LIKE $1 ORDER BY id",
            f'%"request":"{answer.headers["request-id"]}"%',
        )
        return [orjson.loads(row["leaf"]) for row in found]

    async def recipient(self, **changes: Any) -> dict[str, Any]:
        entry = {"name": "Swift Parcel", "kind": "delivery"} | changes
        answer = await self.send(
            "owner", "POST", "/v1/recipients", entry, idempotency_key=ids.mint("key")
        )
        assert answer.status_code == 201, answer.text
        added: dict[str, Any] = answer.json()
        return added

    async def agreement(self, recipient_id: str, **changes: Any) -> httpx.Response:
        today = datetime.now(UTC).date()
        terms = {
            "document_sha256": hashlib.sha256(ids.mint("doc").encode()).hexdigest(),
            "signed_on": str(today - timedelta(days=10)),
            "valid_from": str(today - timedelta(days=10)),
            "valid_until": str(today + timedelta(days=300)),
            "purposes": ["delivery"],
            "categories": DELIVERY_CATEGORIES,
            "days_until_purge": 30,
        } | changes
        return await self.send("owner", "POST", f"/v1/recipients/{recipient_id}/agreements", terms)

    async def order(self, subject: str | None = None, **changes: Any) -> dict[str, Any]:
        """The body of a disclosure, as the logistics adapter sends it."""
        subject, order = subject or ids.mint("cus"), ids.mint("ord")
        tokens = await self.means.vault.seal(
            subject, f"order/{order}", list(DETAILS.values()), classes=self.means.policy.classes
        )
        return {
            "id": ids.mint("dlv"),
            "recipient_id": "",
            "order_id": order,
            "subject_id": subject,
            "shipment_id": ids.mint("shp"),
            "kind": "delivery_request",
            "sealed": dict(zip(DETAILS, tokens, strict=True)) | {"country": "DE"},
            "facts": {"weight_grams": 1200},
        } | changes

    async def disclose(self, order: dict[str, Any], recipient: dict[str, Any]) -> httpx.Response:
        body = order | {"recipient_id": recipient["id"]}
        return await self.send("logistics-adapter", "POST", "/v1/disclosures", body)

    async def message(self, email: str = EMAIL, **changes: Any) -> dict[str, Any]:
        """The body of a message, as the customers service sends it."""
        subject = ids.mint("cus")
        (sealed,) = await self.means.vault.seal(
            subject,
            f"account/{subject}",
            [("user.contact.email", email)],
            classes=self.means.policy.classes,
        )
        return {
            "id": ids.mint("msg"),
            "template": "confirm_registration",
            "subject_id": subject,
            "email": sealed,
            "facts": {"code": "12345678"},
        } | changes


@pytest.fixture
async def provider(gateway, mail_sink) -> dict[str, Any]:
    """Whoever runs the mail server, with a valid agreement."""
    endpoint = f"smtp://127.0.0.1:{mail_sink.port}"
    added: dict[str, Any] = await gateway.recipient(kind="mail", endpoint=endpoint)
    signed = await gateway.agreement(
        added["id"],
        purposes=["account_opening"],
        categories=["user.contact.email", "user.authorization.code"],
    )
    assert signed.status_code == 201
    return added


@pytest.fixture
async def carrier(gateway, partner) -> dict[str, Any]:
    """A partner with a valid agreement."""
    added: dict[str, Any] = await gateway.recipient(endpoint=partner.url)
    signed = await gateway.agreement(added["id"])
    assert signed.status_code == 201, signed.text
    return added


@pytest.fixture
async def partner(start_partner):
    return await start_partner()


@pytest.fixture
async def other_partner(start_partner):
    return await start_partner()


@pytest.fixture
def logistics() -> Logistics:
    return Logistics()


@pytest.fixture
async def means(
    gateway_database, keys_database, audit_database, key_file, new_chain
) -> AsyncIterator[Means]:
    """With deadlines for a busy machine: what happens at a deadline is tested elsewhere."""
    async with contextlib.AsyncExitStack() as running:
        database = Database(gateway_database.runtime)
        running.push_async_callback(database.dispose)
        keys = DataKeys(keys_database.runtime, key_file, deadline_seconds=20)
        await keys.start()
        running.push_async_callback(keys.close)
        vault = Vault(keys, index_key=b"i" * 32, request_key=b"r" * 32)
        audit = AuditLog(audit_database.runtime, vault, new_chain(), deadline_seconds=20)
        await audit.start()
        running.push_async_callback(audit.close)
        yield Means(database, PolicyInForce(POLICY.parent), vault, audit, key_file)


@pytest.fixture
async def services(logistics, serve, tmp_path) -> AsyncIterator[Services]:
    key = tmp_path / "key"
    key.write_text("k" * 64)
    key.chmod(0o600)
    behind = Endpoint(
        url=f"http://127.0.0.1:{await serve(logistics.app)}",
        contract=tmp_path / "none",
        inbound_key_file=key,
        outbound_key_file=key,
    )
    async with Services({"logistics-adapter": behind}) as connected:
        yield connected


@pytest.fixture
async def gateway(
    means, services, partner, other_partner, mail_sink, as_owner
) -> AsyncIterator[Gateway]:
    listed = [f"127.0.0.1:{each.port}" for each in (partner, other_partner)]
    server = MailServer(host="127.0.0.1", port=mail_sink.port, require_tls=False)
    app = FastAPI(openapi_url=None)
    problems.install(app)
    for resource in (recipients, disclosures, messages, partners, schemas):
        app.include_router(resource.router)
    app.state.means = means
    app.state.services = services
    app.state.webhooks = Webhooks(allowed=AllowedAddresses(listed), total_seconds=4)
    app.state.mail = Mail(
        server, sender=Sender.parse("The Shop <post@shop.example>"), total_seconds=4
    )
    transport = httpx.ASGITransport(app=Edge(Introduced(app), cors=Cors(()), https=False))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as client:
        yield Gateway(client, means, as_owner)
