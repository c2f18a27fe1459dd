"""A customer's own addresses."""

import asyncio
import secrets

from customers.domain.address_book import MOST
from privity_contracts.ids import mint

CATEGORIES = {
    "recipient": "user.name",
    "phone": "user.contact.phone_number",
    "line1": "user.contact.address.street",
    "line2": "user.contact.address.street",
    "city": "user.contact.address.city",
    "region": "user.contact.address.state",
    "postal_code": "user.contact.address.postal_code",
}


def an_address(door, **instead):
    plain = {
        "recipient": "Ada Lovelace",
        "phone": "+4930123456",
        "line1": "Unter den Linden 77",
        "line2": None,
        "city": "Berlin",
        "region": None,
        "postal_code": "10117",
        **instead,
    }
    sealed = {
        name: None if text is None else door.sealing.seal(CATEGORIES[name], text)
        for name, text in plain.items()
    }
    return {**sealed, "country": "DE"}


async def add(door, customer, address=None, *, key=None, fingerprint="f" * 43):
    return await door.ask(
        "POST",
        "/v1/addresses",
        address or an_address(door),
        customer=customer,
        idempotency_key=key or secrets.token_hex(8),
        privity_fingerprint=fingerprint,
    )


async def listed(door, customer):
    return (await door.ask("GET", "/v1/addresses", customer=customer)).json()["items"]


async def test_an_address_is_kept_as_it_was_sealed(door, a_customer):
    customer, address = await a_customer(), an_address(door, line2="Hinterhaus")

    added = await add(door, customer, address)
    read = await door.ask("GET", f"/v1/addresses/{added.json()['id']}", customer=customer)

    assert added.status_code == 201
    assert added.headers["location"] == f"/v1/addresses/{added.json()['id']}"
    identity = {
        "id": added.json()["id"],
        "subject_id": customer.account_id,
    }
    assert added.json() == {**identity, **address}
    assert (read.status_code, read.json()) == (200, added.json())
    assert read.headers["content-type"] == "application/json"
    assert await listed(door, customer) == [added.json()]


async def test_adding_the_same_request_twice_or_at_once_is_one_address(door, a_customer):
    customer, key = await a_customer(), secrets.token_hex(8)

    answers = await asyncio.gather(*(add(door, customer, key=key) for _ in range(10)))
    once_more = await add(door, customer, key=key)

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in [*answers, once_more]}) == 1
    assert len(await listed(door, customer)) == 1


async def test_a_key_does_not_serve_for_another_request_or_another_customer(door, a_customer):
    customer, other, key = await a_customer(), await a_customer(), secrets.token_hex(8)
    await add(door, customer, key=key)

    reused = await add(door, customer, key=key, fingerprint="g" * 43)
    of_other = await add(door, other, key=key)

    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    assert of_other.status_code == 201
    assert len(await listed(door, customer)) == 1
    body = an_address(door)
    without = await door.ask("POST", "/v1/addresses", body, customer=customer)
    assert without.status_code == 400


async def test_there_are_twenty_addresses_at_most_however_fast_they_come(door, a_customer):
    customer = await a_customer()

    answers = await asyncio.gather(*(add(door, customer) for _ in range(MOST + 5)))

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201] * MOST + [409] * 5
    kept = await listed(door, customer)
    assert len(kept) == MOST
    await door.ask("DELETE", f"/v1/addresses/{kept[0]['id']}", customer=customer)
    assert (await add(door, customer)).status_code == 201


async def test_replacing_an_address_twice_is_the_same_as_once(door, a_customer):
    customer = await a_customer()
    address_id = (await add(door, customer)).json()["id"]
    new = an_address(door, recipient="Ada King", region="Berlin", postal_code=None)
    path = f"/v1/addresses/{address_id}"

    answers = [await door.ask("PUT", path, new, customer=customer) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json() == {
        "id": address_id,
        "subject_id": customer.account_id,
        **new,
    }
    assert (await door.ask("GET", path, customer=customer)).json() == answers[0].json()


async def test_a_removed_address_is_gone(door, a_customer):
    customer = await a_customer()
    path = f"/v1/addresses/{(await add(door, customer)).json()['id']}"

    removed = await door.ask("DELETE", path, customer=customer)
    again = await door.ask("DELETE", path, customer=customer)

    assert (removed.status_code, again.status_code) == (204, 404)
    assert (await door.ask("GET", path, customer=customer)).status_code == 404
    put = await door.ask("PUT", path, an_address(door), customer=customer)
    assert put.status_code == 404
    assert await listed(door, customer) == []


async def test_a_strangers_address_looks_like_no_address(door, a_customer):
    customer, stranger = await a_customer(), await a_customer()
    address = (await add(door, customer)).json()
    theirs, nothing = f"/v1/addresses/{address['id']}", f"/v1/addresses/{mint('adr')}"

    for method, body in (("GET", None), ("PUT", an_address(door)), ("DELETE", None)):
        answers = [
            await door.ask(method, path, body, customer=stranger) for path in (theirs, nothing)
        ]
        for answer in answers:
            assert (answer.status_code, answer.json()["code"]) == (404, "address_not_found")
            assert set(answer.json()) == {"type", "title", "status", "code", "detail", "instance"}
    assert await listed(door, stranger) == []
    assert await listed(door, customer) == [address]


async def test_only_customers_reach_addresses_services_and_staff_do_not(door, a_customer):
    customer = await a_customer()
    path = f"/v1/addresses/{(await add(door, customer)).json()['id']}"
    body = an_address(door)

    for kind, actor in (("service", "svc_orders"), ("staff", mint("stf")), ("visitor", "visitor")):
        as_other = {"privity_caller": kind, "privity_actor": actor}
        for method, where, sent in (
            ("GET", path, None),
            ("PUT", path, body),
            ("DELETE", path, None),
            ("GET", "/v1/addresses", None),
            ("POST", "/v1/addresses", body),
        ):
            answer = await door.ask(method, where, sent, customer=customer, **as_other)
            assert answer.status_code == 403
    past_the_gateway = await door.ask("GET", path, customer=customer, authorization="Bearer x")
    assert past_the_gateway.status_code == 401


async def test_an_account_that_is_not_active_has_no_addresses(door, a_customer, a_person):
    customer = await a_customer()
    customer.account_id = mint("cus")
    await door.register(a_person(), account_id=customer.account_id)

    answer = await add(door, customer)

    assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")


async def test_readable_parts_and_odd_ids_are_refused(door, a_customer):
    customer = await a_customer()
    address = an_address(door)

    readable = await add(door, customer, {**address, "city": "Berlin"})
    unknown = await add(door, customer, {**address, "nickname": address["city"]})
    no_country = await add(door, customer, {**address, "country": "Germany"})

    assert readable.json()["errors"] == [{"field": "/city", "code": "value_error"}]
    assert "Berlin" not in readable.text
    assert unknown.json()["errors"] == [{"field": "/nickname", "code": "unknown_field"}]
    assert no_country.json()["errors"] == [{"field": "/country", "code": "string_pattern_mismatch"}]
    for odd in ("adr_1", "%27%20OR%201=1", mint("ord")):
        answer = await door.ask("GET", f"/v1/addresses/{odd}", customer=customer)
        assert answer.status_code == 404
