"""Whom the newsletter is for: those who said yes and have not said no since."""

import pytest

from privity_contracts.ids import mint

from .casework import staff
from .test_consents import GIVE, IN_FORCE, put

READERS = "/v1/newsletter/readers"


@pytest.fixture(autouse=True)
def _policy(door):
    yield
    door.gateway.policy = IN_FORCE


async def everyone(door, *, limit=50):
    """Page by page."""
    found, cursor = [], None
    while True:
        path = f"{READERS}?limit={limit}" + (f"&cursor={cursor}" if cursor else "")
        answer = await door.ask("GET", path, **staff("newsletter"))
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["items"]) <= limit
        found += answer.json()["items"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return found


async def test_whoever_agreed_is_in_it_until_they_take_it_back(door, a_customer):
    agreed, withdrew, silent = [await a_customer() for _ in range(3)]
    for customer in (agreed, withdrew):
        assert (await put(door, customer, GIVE)).status_code == 200
    during = {reader["id"] for reader in await everyone(door)}

    await put(door, withdrew, {"given": False})
    afterwards = {reader["id"] for reader in await everyone(door)}
    await put(door, withdrew, GIVE)
    again = {reader["id"] for reader in await everyone(door)}

    assert {agreed.account_id, withdrew.account_id} <= during == again
    assert during - afterwards == {withdrew.account_id}
    assert silent.account_id not in during


async def test_names_and_addresses_come_sealed_each_reader_once_whatever_the_page(door, a_customer):
    customers = [await a_customer() for _ in range(3)]
    for customer in customers:
        await put(door, customer, GIVE)

    whole, in_ones = await everyone(door), await everyone(door, limit=1)

    assert whole == in_ones
    assert len({reader["id"] for reader in whole}) == len(whole)
    [one] = [reader for reader in whole if reader["id"] == customers[0].account_id]
    assert set(one) == {"id", "name", "email"}
    assert door.sealing.plaintexts[one["email"]] == customers[0].person.email


async def test_it_is_for_the_newsletter_alone(door, a_customer):
    customer = await a_customer()
    for who in (
        staff("enquiries", work=f"case/{mint('cas')}"),
        staff("customer_search"),
        staff("marketing"),
        {"customer": customer},
        {"privity_caller": "service", "privity_actor": "svc_orders"},
        {},
    ):
        assert (await door.ask("GET", READERS, **who)).status_code == 403
