"""A small shop to look at: products, a carrier under agreement, staff, one customer.

Everything goes in through the gateway's API, as a shop owner would do it; running it again changes
nothing.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from privity_deploy.client import Person, Refused, grant, open_account, sign_in
from privity_deploy.presence import Running

SITE = "site/north"
# Purposes that concern no order and no site in particular.
SHOP_WIDE = frozenset(
    {
        "access_oversight",
        "audit_review",
        "case_assignment",
        "case_management",
        "catalogue_management",
        "deletion_oversight",
        "key_management",
        "partner_management",
        "staff_administration",
    }
)
PRODUCTS = [
    ("TEA-GREEN", "Green tea, 100 g", "tea", 890, 120),
    ("TEA-BLACK", "Black tea, 100 g", "tea", 790, 80),
    ("TEAPOT-1", "Teapot, glazed", "ware", 3900, 25),
    ("CUP-2", "Two cups without handles", "ware", 1900, 60),
    ("HONEY-1", "Honey from the heath, 500 g", "pantry", 1150, 40),
]
DELIVERY_CATEGORIES = [
    "user.name",
    "user.contact.phone_number",
    "user.contact.address.street",
    "user.contact.address.city",
    "user.contact.address.state",
    "user.contact.address.postal_code",
    "user.contact.address.country",
]
# Names, mailboxes and numbers that nobody has (RFC 2606; Bundesnetzagentur's numbers for fiction).
SAMPLE = {
    "name": "Erika Beispiel",
    "email": "erika@example.org",
    "phone": "+49 30 23125 014",
}
SAMPLE_PASSWORD = "sample-Passw0rd-erika"  # noqa: S105  # of an invented person


@dataclass(frozen=True, slots=True)
class Shop:
    """Where a running shop is, for whoever stands in front of it."""

    url: str
    mail_url: str
    carrier_url: str
    smtp_port: int
    secrets_dir: Path

    @classmethod
    def of(cls, running: Running) -> "Shop":
        return cls(
            url=running.url,
            mail_url=f"http://127.0.0.1:{running.ports['mail.http']}",
            carrier_url=f"http://127.0.0.1:{running.ports['carrier.http']}",
            smtp_port=running.ports["mail.smtp"],
            secrets_dir=Path(running.secrets_dir),
        )

    def password(self, username: str) -> str:
        return (self.secrets_dir / "gateway" / "staff" / username).read_text().strip()

    def grant(self, username: str, purpose: str, work: str | None = None) -> Person:
        return grant(
            self.url,
            username=username,
            password=self.password(username),
            purpose=purpose,
            work=work or usual_work(purpose),
        )


def usual_work(purpose: str) -> str:
    return "shop" if purpose in SHOP_WIDE else SITE


def seed(running: Running, *, report: Callable[[str], None]) -> Shop:
    shop = Shop.of(running)
    products = _products(shop)
    recipients = shop.grant("owner", "partner_management")
    carrier = _carrier(shop, recipients)
    _mail(shop, recipients)
    recipients.put("/v1/carrier-routes/DE", {"recipient_id": carrier})
    _customer(shop)
    report(f"{'shop':<20} {products} products, 1 carrier under agreement, 1 customer")
    return shop


def _products(shop: Shop) -> int:
    catalogue = shop.grant("owner", "catalogue_management")
    for sku, title, category, price, stock in PRODUCTS:
        catalogue.post(
            "/v1/products",
            {
                "sku": sku,
                "title": title,
                "description": f"{title}. An invented product.",
                "category": category,
                "price": price,
                "currency": "EUR",
                "stock": stock,
            },
        )
    return len(PRODUCTS)


def _carrier(shop: Shop, recipients: Person) -> str:
    """The carrier's id; the stand-in is told who it is each time, as it remembers nothing."""
    kept = shop.secrets_dir / "carrier.json"
    if kept.exists():
        identity = json.loads(kept.read_text())
    else:
        key = httpx.get(f"{shop.carrier_url}/key", timeout=5, trust_env=False).json()
        recipient = recipients.post(
            "/v1/recipients",
            {
                "name": "Example Parcel",
                "kind": "delivery",
                "endpoint": f"{shop.carrier_url}/webhooks",
                "public_key": key,
            },
            key="recipient-example-parcel",
        )
        _agreement(recipients, recipient["id"], ["delivery"], DELIVERY_CATEGORIES)
        identity = {
            "recipient_id": recipient["id"],
            "webhook_secret": recipient["webhook_secret"],
            "callback_secret": recipient["callback_secret"],
        }
        kept.touch(mode=0o600)
        kept.write_text(json.dumps(identity))
    told = identity | {"gateway_url": shop.url}
    httpx.put(
        f"{shop.carrier_url}/identity", json=told, timeout=5, trust_env=False
    ).raise_for_status()
    carrier: str = identity["recipient_id"]
    return carrier


def _mail(shop: Shop, recipients: Person) -> None:
    recipient = recipients.post(
        "/v1/recipients",
        {"name": "Example Mail", "kind": "mail", "endpoint": f"smtp://127.0.0.1:{shop.smtp_port}"},
        key="recipient-example-mail",
    )
    categories = ["user.contact.email", "user.authorization.code"]
    _agreement(recipients, recipient["id"], ["account_opening"], categories)


def _agreement(
    recipients: Person, recipient_id: str, purposes: list[str], categories: list[str]
) -> None:
    today: date = datetime.now(UTC).date()
    text = f"Confidentiality agreement of {recipient_id}"
    agreement: dict[str, Any] = {
        "document_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "signed_on": today.isoformat(),
        "valid_from": today.isoformat(),
        "valid_until": (today + timedelta(days=365)).isoformat(),
        "purposes": purposes,
        "categories": categories,
        "days_until_purge": 14,
    }
    known = recipients.get(f"/v1/recipients/{recipient_id}").get("agreements", [])
    if not known:
        recipients.post(f"/v1/recipients/{recipient_id}/agreements", agreement)


def _customer(shop: Shop) -> None:
    try:
        sign_in(shop.url, email=SAMPLE["email"], password=SAMPLE_PASSWORD)
    except Refused:
        open_account(shop.url, shop.mail_url, **SAMPLE, password=SAMPLE_PASSWORD)
