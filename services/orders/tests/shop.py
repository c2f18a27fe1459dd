"""The service as its callers meet it: what the gateway would send, and nothing else."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

from orders.main import create_app
from orders.settings import Settings
from privity_contracts.ids import mint
from privity_database import Database
from privity_postgres.testing import DatabaseUrls

INBOUND = "i" * 64
CATEGORIES = {
    "recipient": "user.name",
    "phone": "user.contact.phone_number",
    "line1": "user.contact.address.street",
    "line2": "user.contact.address.street",
    "city": "user.contact.address.city",
    "region": "user.contact.address.state",
    "postal_code": "user.contact.address.postal_code",
}


def sealed(category: str) -> str:
    return f"s1:{mint('key')}:{category}:{secrets.token_urlsafe(48)}"


def delivery(country: str = "DE", **changes: str | None) -> dict[str, str | None]:
    fields = {name: sealed(category) for name, category in CATEGORIES.items()}
    return {**fields, "country": country, **changes}


def customer(subject: str | None = None) -> dict[str, str]:
    subject = subject or mint("cus")
    return {
        "Privity-Caller": "customer",
        "Privity-Subject": subject,
        "Privity-Actor": subject,
        "Privity-Role": "customer",
        "Privity-Purpose": "self_service",
    }


def staff(role: str, purpose: str, work: str | None = None) -> dict[str, str]:
    headers = {
        "Privity-Caller": "staff",
        "Privity-Actor": mint("stf"),
        "Privity-Role": role,
        "Privity-Purpose": purpose,
    }
    return {**headers, "Privity-Work": work} if work else headers


def service(name: str) -> dict[str, str]:
    return {
        "Privity-Caller": "service",
        "Privity-Actor": f"svc_{name}",
        "Privity-Role": "service",
        "Privity-Purpose": "service_operation",
    }


def keyed(key: str | None = None, fingerprint: str = "f" * 32) -> dict[str, str]:
    return {
        "Idempotency-Key": key or secrets.token_hex(16),
        "Privity-Fingerprint": fingerprint,
    }


VISITOR = {"Privity-Caller": "visitor", "Privity-Actor": "visitor", "Privity-Purpose": "catalogue"}
SHOPKEEPER = staff("shop_owner", "catalogue_management")


def support(order_id: str) -> dict[str, str]:
    return staff("support_1", "order_verification", f"order/{order_id}")


def packer(site: str = "north") -> dict[str, str]:
    return staff("warehouse", "warehousing", f"site/{site}")


@dataclass
class Shop:
    api: httpx.AsyncClient
    database: Database
    urls: DatabaseUrls

    async def product(self, *, stock: int = 1000, **changes: Any) -> dict[str, Any]:
        offer = {
            "sku": f"SKU-{secrets.token_hex(6).upper()}",
            "title": "Tea, 250 g",
            "description": "Black tea from one garden.",
            "category": "tea",
            "price": 1190,
            "currency": "EUR",
            "stock": stock,
            **changes,
        }
        answer = await self.api.post("/v1/products", json=offer, headers=SHOPKEEPER)
        assert answer.status_code == 201, answer.text
        product: dict[str, Any] = answer.json()
        return product

    async def place(
        self,
        who: dict[str, str],
        *lines: tuple[str, int],
        token: str = "tok_approve",  # not a password
        headers: dict[str, str] | None = None,
        new_id: str | None = None,
        to: dict[str, str | None] | None = None,
    ) -> httpx.Response:
        body = {
            "lines": [{"product_id": product, "quantity": count} for product, count in lines],
            "delivery": to or delivery(),
            "payment": {"token": token},
        }
        headers = {**who, **(headers or keyed()), "Privity-New-Id": new_id or mint("ord")}
        return await self.api.post("/v1/orders", json=body, headers=headers)

    async def order(self, who: dict[str, str] | None = None, **how: Any) -> dict[str, Any]:
        product = await self.product()
        answer = await self.place(who or customer(), (product["id"], 2), **how)
        assert answer.status_code == 201, answer.text
        order: dict[str, Any] = answer.json()
        return order

    async def packed(self, who: dict[str, str] | None = None) -> dict[str, Any]:
        order = await self.order(who)
        await self.step(order, "confirmation", support(order["id"]))
        return await self.step(order, "packing", packer())

    async def step(self, order: dict[str, Any], step: str, who: dict[str, str]) -> dict[str, Any]:
        answer = await self.api.post(f"/v1/orders/{order['id']}/{step}", headers=who)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def tell(self, kind: str, order_id: str, *, event_id: str | None = None) -> int:
        event = {
            "id": event_id or mint("evt"),
            "type": kind,
            "occurred_at": "2026-01-02T03:04:05Z",
            "data": {"order_id": order_id, "shipment_id": mint("shp")},
        }
        answer = await self.api.post("/v1/events", json=event, headers=service("logistics-adapter"))
        return answer.status_code

    async def read(self, order: dict[str, Any]) -> dict[str, Any]:
        answer = await self.api.get(
            f"/v1/orders/{order['id']}", headers=customer(order["subject_id"])
        )
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def history(self, order: dict[str, Any]) -> list[str]:
        answer = await self.api.get(
            f"/v1/orders/{order['id']}/history", headers=customer(order["subject_id"])
        )
        return [change["what"] for change in answer.json()["items"]]

    async def stock(self, product_id: str) -> int:
        return int(await self.one("SELECT stock FROM products WHERE id = :id", id=product_id))

    async def one(self, query: str, **values: Any) -> Any:
        async with self.database.transaction() as tx:
            return await tx.scalar(text(query), values)

    async def until(self, question: Callable[[], Awaitable[Any]], *, seconds: float = 10) -> Any:
        """What the question gives as soon as it gives something."""
        async with asyncio.timeout(seconds):
            while not (found := await question()):  # noqa: ASYNC110  # other processes' doing
                await asyncio.sleep(0.02)
        return found

    async def until_payment(self, order: dict[str, Any], outcome: str) -> dict[str, Any]:
        async def so() -> dict[str, Any] | None:
            now = await self.read(order)
            return now if now["payments"][-1]["outcome"] == outcome else None

        await self.until(so)
        # Again: a read is two statements, and the order's state may have been older than its
        # payment's in the one that found it.
        return await self.read(order)


def settings_for(urls: DatabaseUrls, folder: Path, gateway: str, **changes: Any) -> Settings:
    for name, secret in (("in", INBOUND), ("out", "o" * 64), ("stripe", "sk_test_" + "s" * 40)):
        file = folder / name
        file.write_text(secret)
        file.chmod(0o600)
    defaults: dict[str, Any] = {
        "database_url": urls.runtime,
        "migration_database_url": urls.owner,
        "inbound_key_file": folder / "in",
        "outbound_key_file": folder / "out",
        "gateway_url": gateway,
        "payment_provider": "sandbox",
    }
    return Settings(**{**defaults, **changes})


@asynccontextmanager
async def open_shop(settings: Settings, urls: DatabaseUrls) -> AsyncIterator[Shop]:
    app = create_app(settings)
    database = Database(urls.runtime, pool_size=5)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url="http://orders",
            headers={"Authorization": f"Bearer {INBOUND}"},
            timeout=30,
        ) as api,
    ):
        yield Shop(api, database, urls)
    await database.dispose()
