"""One shop for the whole run: PostgreSQL, every service and the stand-ins, as real processes.

It costs a quarter of a minute, so everyone shares it. Whoever breaks something mends it again, and
nobody counts on what others left behind: each test has customers, orders and goods of its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from privity_deploy.client import eventually
from privity_deploy.seed import Shop, seed
from privity_deploy.stack import Stack, lent_stack

from .people import Carrier, Customer, Someone, Staff, Town, shipment_of
from .second_gateway import SecondGateway, second_gateway

ROOT = Path(__file__).resolve().parents[1]
MakeProduct = Callable[..., str]
Household = tuple[Customer, dict[str, str]]
"""Somebody, and the ids of what the shop has of them."""


# By whom in the sample shop, as far as these tests need one.
FOLLOWED_UP = {
    "support": ("enquiry", "complaint"),
    "senior": ("enquiry", "complaint", "rights_request"),
    "privacy": ("rights_request",),
}


SOON = 0.1
"""Between a carrier's reports, for whoever only waits for the last one."""
BREAKING = (
    "test_canaries.py",
    "test_index_rotation.py",
    "test_adapter_killed.py",
    "test_backup.py",
    "test_audit_store_in_trouble.py",
    "test_audit_killed.py",
    "test_answer_members.py",  # changes whatever can be changed, the carriers too
)
"""Whoever breaks the shared shop comes after those who only use it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(
        key=lambda item: BREAKING.index(name) + 1 if (name := item.path.name) in BREAKING else 0
    )


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    with lent_stack(ROOT) as running:
        yield running


@pytest.fixture(scope="package")
def shop(stack: Stack) -> Shop:
    return seed(stack.running, report=lambda line: None)


@pytest.fixture(scope="package")
def town(shop: Shop) -> Town:
    return Town(shop)


@pytest.fixture(scope="package")
def staff(shop: Shop) -> Staff:
    return Staff(shop)


@pytest.fixture(scope="package")
def carrier(shop: Shop) -> Carrier:
    return Carrier(shop.carrier_url)


@pytest.fixture
def visitor(shop: Shop) -> Someone:
    return Someone(shop.url)


@pytest.fixture(scope="package")
def make_product(shop: Shop, staff: Staff) -> MakeProduct:
    """`make_product(stock=1)`: goods that no other test sells."""

    def make(*, stock: int = 1000) -> str:
        offer: dict[str, Any] = {
            "sku": f"TEST-{secrets.token_hex(6).upper()}",
            "title": "A thing",
            "description": "",
            "category": "things",
            "price": 1250,
            "currency": "EUR",
            "stock": stock,
        }
        made = staff.grant("owner", "catalogue_management").post("/v1/products", offer)
        return str(made["id"])

    return make


@pytest.fixture
def product(make_product: MakeProduct) -> str:
    return make_product()


@pytest.fixture
def customer(town: Town) -> Customer:
    return town.customer()


@pytest.fixture(scope="package")
def household(town: Town, staff: Staff, carrier: Carrier, make_product: MakeProduct) -> Household:
    """A customer of whom the shop holds everything that it can hold.

    Only read by tests, or asked to change in vain.
    """
    customer = town.customer()
    with carrier.behaving(tracking_pause_seconds=SOON):
        return customer, settle(customer, town, staff, make_product(), delivered=True)


def settle(
    customer: Customer, town: Town, staff: Staff, product: str, *, delivered: bool
) -> dict[str, str]:
    """An order, its shipment, and cases that those who follow them up have taken."""
    order = town.order(customer, product)
    staff.pack(order["id"])

    def arrived() -> bool:
        return bool(customer.who.get(f"/v1/orders/{order['id']}")["state"] == "delivered")

    if delivered:
        eventually(arrived, within=40, what="confirmed delivery")

    def announced() -> Any:
        shipment = shipment_of(customer.who, order["id"])
        return shipment if shipment["delivery"] else None

    ids = town.ids_of(customer, order)
    shipment = eventually(announced, within=40, what="delivery request")
    ids["shipment_id"] = shipment["id"]
    ids["recipient_id"] = shipment["delivery"]["recipient_id"]
    for username, kinds in FOLLOWED_UP.items():
        for kind in kinds:
            case_id = ids[f"{kind} of {username}"] = town.case(customer, order["id"], kind=kind)
            staff.take_case(username, case_id)
    ids["case_id"] = ids["enquiry of support"]
    version = customer.who.get("/v1/policy")["version"]
    customer.who.put("/v1/consents/marketing", {"given": True, "policy_version": version})
    return ids


@pytest.fixture(scope="package")
def another_gateway(stack: Stack, shop: Shop) -> Iterator[SecondGateway]:
    with second_gateway(stack) as running:
        yield running
