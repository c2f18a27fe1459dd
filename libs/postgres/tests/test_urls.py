"""One address in the forms that SQLAlchemy and the driver read."""

import pytest

from privity_postgres.urls import UnusableUrl, for_driver, for_sqlalchemy

CASES = [
    (
        "postgresql://admin:pw@/postgres?host=/run/pg",
        "postgresql+asyncpg://orders:new@/shop?host=/run/pg",
        "postgresql://orders:new@/shop?host=/run/pg",
    ),
    (
        "postgres://admin@db.example:6432/postgres?sslmode=verify-full",
        "postgresql+asyncpg://orders:new@db.example:6432/shop?ssl=verify-full",
        "postgresql://orders:new@db.example:6432/shop?sslmode=verify-full",
    ),
    (
        "postgresql+asyncpg://a:p%40ss@[::1]:5432/postgres?ssl=require",
        "postgresql+asyncpg://orders:new@[::1]:5432/shop?ssl=require",
        "postgresql://orders:new@[::1]:5432/shop?sslmode=require",
    ),
    (
        "postgresql:///postgres",
        "postgresql+asyncpg://orders:new@/shop",
        "postgresql://orders:new@/shop",
    ),
]


@pytest.mark.parametrize(("given", "sqlalchemy", "driver"), CASES)
def test_an_address_is_carried_over_to_another_role_and_database(given, sqlalchemy, driver):
    other = {"database": "shop", "user": "orders", "password": "new"}
    assert for_sqlalchemy(given, **other) == sqlalchemy
    assert for_driver(given, **other) == driver
    assert for_driver(sqlalchemy) == driver


@pytest.mark.parametrize(
    "url", ["mysql://secret@host/db", "host=secret", "postgresql://h/db?secret_option=secret"]
)
def test_an_address_that_is_not_understood_is_refused_without_its_secret(url):
    with pytest.raises(UnusableUrl) as refusal:
        for_driver(url)
    assert "://" not in str(refusal.value).removesuffix("postgresql://")
    assert "secret@" not in str(refusal.value)


@pytest.mark.parametrize(
    "address",
    [
        "u:hid/den@127.0.0.1:5432",
        "u:hid#den@127.0.0.1:5432",
        "u:hidden@[::1",
        "u:hidden@host:abc",
        "u:hidden@host:99999",
    ],
)
def test_an_address_that_is_none_is_refused_and_not_repeated(address):
    with pytest.raises(UnusableUrl) as refused:
        for_driver(f"postgresql://{address}/db")

    assert "hid" not in str(refused.value)
    assert "abc" not in str(refused.value)


@pytest.mark.parametrize("address", ["one:5432,two", "u@[::1]:5432", "u:p@", ""])
def test_addresses_in_each_form_are_kept(address):
    assert for_driver(f"postgresql://{address}/db") == f"postgresql://{address}/db"
