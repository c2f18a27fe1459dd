"""How the service starts, and what it says of itself before."""

import asyncio
import json
import subprocess
import sys

import asyncpg
import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import MetaData, make_url

from customers.main import MIGRATIONS, contract, create_app
from customers.models import Base
from privity_contracts.ids import mint
from privity_database import differences, migrate
from privity_jobs import schema
from privity_postgres.silence import Way


def test_the_contract_needs_no_setting_and_no_database():
    written = subprocess.run(
        [
            sys.executable,
            "-c",
            "import customers.main, json; print(json.dumps(customers.main.contract()))",
        ],
        env={},
        capture_output=True,
        check=True,
    )

    assert json.loads(written.stdout) == json.loads(json.dumps(contract()))


def test_every_route_says_what_for_and_every_field_says_what_it_is():
    document = contract()
    schemas = document["components"]["schemas"]

    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["x-privity"]["purposes"], f"{method} {path}"
            for parameter in operation.get("parameters", ()):
                described = json.dumps(parameter["schema"])
                assert "x-privity-category" in described, f"{method} {path}"
    for name, described in schemas.items():
        if name in {"HTTPValidationError", "ValidationError"}:
            continue  # FastAPI's own, which our problem documents replace
        for field, said in described.get("properties", {}).items():
            text = json.dumps(said)
            assert "x-privity-category" in text or "$ref" in text, f"{name}.{field}"


def test_objects_with_sealed_values_say_whose_they_are_and_under_which_key():
    schemas = contract()["components"]["schemas"]

    for name in ("AddressView", "Profile"):
        assert schemas[name]["x-privity-subject"] == "subject_id"
        assert schemas[name]["x-privity-scope"] == "account/subject_id"
    assert schemas["NewAddress"]["x-privity-group"] == "address"
    assert schemas["SignIn"]["properties"]["email_index"]["x-privity-from"] == "email"


@pytest.mark.parametrize("missing", ["database_url", "inbound_key_file", "code_key_file"])
def test_a_missing_setting_stops_the_start(settings, missing, monkeypatch):
    for name, value in settings:
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        monkeypatch.setenv(f"CUSTOMERS_{name.upper()}", text)
    assert create_app() is not None
    monkeypatch.delenv(f"CUSTOMERS_{missing.upper()}")

    with pytest.raises(ValidationError):
        create_app()


def test_hashing_cannot_be_made_cheaper_than_the_recommendation(settings):
    values = settings.model_dump()

    for cheap in ({"argon2_memory_kib": 8192}, {"argon2_passes": 1}):
        with pytest.raises(ValidationError):
            type(settings)(**{**values, **cheap})


async def test_the_migrations_make_the_tables_that_the_models_say(make_database):
    urls, both = make_database("customers_migrations"), MetaData()
    for table in Base.metadata.tables.values():
        table.to_metadata(both)
    schema.declare(both)

    await asyncio.gather(*(migrate(urls.owner, MIGRATIONS) for _ in range(2)))

    assert await differences(urls.owner, both) == []


async def test_without_its_database_the_service_says_so_and_recovers_by_itself(door, a_customer):
    customer = await a_customer()
    role = make_url(door.urls.runtime).username
    admin = await asyncpg.connect(door.urls.admin.replace("+asyncpg", ""))
    paths = ["/v1/profile", "/v1/addresses", f"/v1/addresses/{mint('adr')}"]

    await admin.execute(f"ALTER ROLE {role} CONNECTION LIMIT 0")
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", role
    )
    away = [await door.ask("GET", path, customer=customer) for path in paths]
    await admin.execute(f"ALTER ROLE {role} CONNECTION LIMIT -1")
    back = [await door.ask("GET", path, customer=customer) for path in paths]
    await admin.close()

    assert {(a.status_code, a.json()["code"]) for a in away} == {(503, "database_unavailable")}
    assert all("retry-after" in answer.headers for answer in away)
    assert [answer.status_code for answer in back] == [200, 200, 404]


async def test_stopping_does_not_wait_for_a_database_that_is_gone(settings, make_database):
    urls = make_database("customers_stopping")
    async with Way(urls.runtime).standing() as way:
        given = {"database_url": way.url, "migration_database_url": urls.owner}
        app = create_app(
            settings.model_copy(update={name: SecretStr(url) for name, url in given.items()})
        )
        async with asyncio.timeout(30), app.router.lifespan_context(app):
            way.fall_silent()
