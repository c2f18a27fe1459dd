"""What the service tells about itself before it runs, and what it needs to run."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from orders.main import MIGRATIONS, contract
from orders.models import Base
from orders.settings import Settings
from privity_database import differences, migrate
from privity_postgres.testing import MakeDatabase

SECRETS: dict[str, Any] = {
    "database_url": "postgresql+asyncpg://a/b",
    "migration_database_url": "postgresql+asyncpg://a/b",
    "inbound_key_file": "in",
    "outbound_key_file": "out",
    "gateway_url": "http://gateway",
}


def test_the_contract_is_told_without_settings_and_without_a_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ORDERS_DATABASE_URL", "")

    told = contract()

    placing = told["paths"]["/v1/orders"]["post"]
    assert placing["x-privity"] == {
        "purposes": ["self_service"],
        "scope": "order/new",
        "new": "ord",
        "idempotent": True,
    }
    wanted = told["components"]["schemas"]["OrderWanted"]["properties"]["delivery"]
    assert wanted["x-privity-from"] == "address_id"
    assert wanted["x-privity-carry"] == {
        "service": "customers",
        "path": "/v1/addresses/{address_id}",
    }
    schemas = told["components"]["schemas"]
    assert schemas["DeliveryWanted"]["x-privity-group"] == "address"
    assert schemas["OrderView"]["x-privity-subject"] == "subject_id"
    assert schemas["DeliveryView"]["x-privity-scope"] == "order/order_id"
    assert "/v1/events" not in told["paths"]


def test_every_field_of_the_contract_has_a_category() -> None:
    told = contract()["components"]["schemas"]

    bare = [
        f"{name}.{field}"
        for name, schema in told.items()
        if name not in {"HTTPValidationError", "ValidationError"}
        for field, described in schema.get("properties", {}).items()
        if "x-privity-category" not in str(described) and "$ref" not in str(described)
    ]

    assert bare == []


async def test_migrations_and_models_agree_and_two_starts_do_not_collide(
    make_database: MakeDatabase,
) -> None:
    urls = make_database("orders")

    await asyncio.gather(*(migrate(urls.owner, MIGRATIONS) for _ in range(2)))

    left = [
        difference
        for difference in await differences(urls.owner, Base.metadata)
        if "jobs" not in str(difference)  # the library's own table
    ]
    assert left == []


def test_which_provider_takes_the_money_has_to_be_said() -> None:
    with pytest.raises(ValidationError, match="payment_provider"):
        Settings(**SECRETS)
    with pytest.raises(ValidationError, match="stripe needs stripe_url"):
        Settings(**SECRETS, payment_provider="stripe")
    with pytest.raises(ValidationError, match="after its timeout"):
        Settings(
            **SECRETS,
            payment_provider="sandbox",
            payment_timeout_seconds=10,
            recover_payment_after_seconds=5,
        )


def test_settings_show_no_password() -> None:
    settings = Settings(
        **{**SECRETS, "database_url": "postgresql+asyncpg://u:hunter2@/db"},
        payment_provider="sandbox",
    )

    assert "hunter2" not in repr(settings)


def test_the_service_has_no_way_to_open_a_sealed_value() -> None:
    sources = Path(MIGRATIONS).parent.rglob("*.py")

    for source in sources:
        imported = [
            line
            for line in source.read_text().splitlines()
            if line.startswith(("import ", "from "))
        ]
        for line in imported:
            assert not any(word in line for word in ("cryptography", "jose", "privacy_gateway"))
