"""Placing an order: prices, stock, tax, and that one key places one order."""

import asyncio
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from privity_contracts.ids import mint

from .shop import SHOPKEEPER, VISITOR, Shop, customer, delivery, keyed, packer, sealed


async def test_an_order_is_placed_and_paid_at_the_catalogues_prices(shop: Shop) -> None:
    tea, cups = await shop.product(price=1190), await shop.product(price=2500, title="Cups")
    who, new_id = customer(), mint("ord")

    answer = await shop.place(who, (tea["id"], 3), (cups["id"], 1), new_id=new_id)

    order = answer.json()
    assert answer.status_code == 201
    assert (order["id"], order["subject_id"]) == (new_id, who["Privity-Subject"])
    assert order["state"] == "paid"
    assert order["total"] == 3 * 1190 + 2500
    assert order["tax"] == {"country": "DE", "rate_basis_points": 1900, "amount": 969}
    assert [line["title"] for line in order["lines"]] == ["Tea, 250 g", "Cups"]
    assert order["number"][:2] == "P-"
    assert len(order["number"]) == 12
    payment = order["payments"][0]
    assert (payment["outcome"], payment["brand"], payment["last4"]) == ("approved", "visa", "4242")
    assert await shop.stock(tea["id"]) == 997
    assert await shop.history(order) == ["placed", "paid"]


async def test_a_later_price_does_not_change_an_order(shop: Shop) -> None:
    product, who = await shop.product(price=100), customer()
    order = (await shop.place(who, (product["id"], 1))).json()

    await shop.api.patch(f"/v1/products/{product['id']}", json={"price": 999}, headers=SHOPKEEPER)

    assert await shop.read(order) == order


async def test_two_hundred_placements_with_one_key_are_one_order_and_one_payment(
    shop: Shop,
) -> None:
    product, who = await shop.product(stock=1), customer()
    headers, new_id = keyed(), mint("ord")

    async def again() -> Any:
        # Sealed anew each time, as the gateway does.
        return await shop.place(who, (product["id"], 1), headers=headers, new_id=new_id)

    answers = await asyncio.gather(*(again() for _ in range(200)))

    assert Counter(answer.status_code for answer in answers) == {201: 200}
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].json()["state"] == "paid"
    subject = {"subject": who["Privity-Subject"]}
    assert await shop.one("SELECT count(*) FROM orders WHERE subject_id = :subject", **subject) == 1
    payments = "SELECT count(*) FROM payments WHERE order_id = :id"
    assert await shop.one(payments, id=new_id) == 1
    charges = (
        "SELECT count(*) FROM sandbox_charges JOIN payments ON payments.id = payment_id "
        "WHERE order_id = :id"
    )
    assert await shop.one(charges, id=new_id) == 1
    assert await shop.stock(product["id"]) == 0


async def test_a_key_stands_for_one_body_only(shop: Shop) -> None:
    product, who = await shop.product(), customer()
    first = await shop.place(who, (product["id"], 1), headers=keyed("k", "a" * 32))

    answer = await shop.place(who, (product["id"], 2), headers=keyed("k", "b" * 32))

    assert first.status_code == 201
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert await shop.stock(product["id"]) == 999


async def test_a_key_is_each_customers_own(shop: Shop) -> None:
    product = await shop.product()

    answers = [
        await shop.place(customer(), (product["id"], 1), headers=keyed("same", letter * 32))
        for letter in "ab"
    ]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["id"] != answers[1].json()["id"]


async def test_a_key_whose_placement_was_refused_is_still_free(shop: Shop) -> None:
    product, who, headers = await shop.product(stock=1), customer(), keyed()
    refused = await shop.place(who, (product["id"], 2), headers=headers)
    await shop.api.patch(f"/v1/products/{product['id']}", json={"stock": 2}, headers=SHOPKEEPER)

    answer = await shop.place(who, (product["id"], 2), headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (409, "out_of_stock")
    assert answer.status_code == 201


async def test_of_fifty_buyers_of_the_last_one_one_gets_it(shop: Shop) -> None:
    product = await shop.product(stock=1)

    answers = await asyncio.gather(*(shop.place(customer(), (product["id"], 1)) for _ in range(50)))

    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 49}
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"out_of_stock"}
    assert await shop.stock(product["id"]) == 0
    sold = "SELECT count(*) FROM order_lines WHERE product_id = :id"
    assert await shop.one(sold, id=product["id"]) == 1


async def test_baskets_in_opposite_orders_do_not_block_each_other(shop: Shop) -> None:
    one, other = (await shop.product())["id"], (await shop.product())["id"]
    baskets = [((one, 1), (other, 1)), ((other, 1), (one, 1))]

    answers = await asyncio.gather(*(shop.place(customer(), *baskets[n % 2]) for n in range(40)))

    assert {answer.status_code for answer in answers} == {201}
    assert (await shop.stock(one), await shop.stock(other)) == (960, 960)


async def test_what_is_short_is_named_by_its_line_and_nothing_is_taken(shop: Shop) -> None:
    plenty, short = await shop.product(), await shop.product(stock=2)

    answer = await shop.place(customer(), (plenty["id"], 5), (short["id"], 3))

    assert answer.json()["errors"] == [{"field": "/lines/1/quantity", "code": "out_of_stock"}]
    assert (await shop.stock(plenty["id"]), await shop.stock(short["id"])) == (1000, 2)


async def test_an_unknown_product_a_doubled_line_and_two_currencies_are_refused(
    shop: Shop,
) -> None:
    euro, franc = await shop.product(), await shop.product(currency="CHF")

    unknown = await shop.place(customer(), (euro["id"], 1), (mint("prd"), 1))
    doubled = await shop.place(customer(), (euro["id"], 1), (franc["id"], 1), (euro["id"], 1))
    mixed = await shop.place(customer(), (euro["id"], 1), (franc["id"], 1))

    assert unknown.json()["errors"] == [{"field": "/lines/1/product_id", "code": "not_sold"}]
    assert doubled.json()["errors"] == [{"field": "/lines/2/product_id", "code": "duplicate"}]
    assert (mixed.status_code, mixed.json()["code"]) == (422, "mixed_currencies")


async def test_an_order_has_a_most_that_it_can_cost(shop: Shop) -> None:
    product = await shop.product(price=10_000_000)

    answer = await shop.place(customer(), (product["id"], 10))

    assert (answer.status_code, answer.json()["code"]) == (422, "too_expensive")
    assert await shop.stock(product["id"]) == 1000


async def test_only_a_customer_with_a_key_places_orders(shop: Shop) -> None:
    product = await shop.product()
    body = {
        "lines": [{"product_id": product["id"], "quantity": 1}],
        "delivery": delivery(),
        "payment": {"token": "tok_approve"},
    }

    for who in (VISITOR, packer()):
        headers = {**who, **keyed(), "Privity-New-Id": mint("ord")}
        assert (await shop.api.post("/v1/orders", json=body, headers=headers)).status_code == 403
    without_key = {**customer(), "Privity-New-Id": mint("ord")}
    answer = await shop.api.post("/v1/orders", json=body, headers=without_key)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")


@pytest.mark.parametrize(
    ("member", "value", "field"),
    [
        ("lines", [], "/lines"),
        ("lines", [{"product_id": mint("prd"), "quantity": 0}], "/lines/0/quantity"),
        ("lines", [{"product_id": mint("prd"), "quantity": 100}], "/lines/0/quantity"),
        ("lines", [{"product_id": "prd_1", "quantity": 1}], "/lines/0/product_id"),
        ("payment", {"token": "4242424242424242"}, "/payment/token"),
        ("payment", {"token": "tok_4242424242424242"}, "/payment/token"),
        ("payment", {"token": "tok_approve", "cvc": "123"}, "/payment/cvc"),
        ("delivery", delivery(recipient="Alice Example"), "/delivery/recipient"),
        ("delivery", delivery(recipient=sealed("user.contact.email")), "/delivery/recipient"),
        ("delivery", delivery(country="Germany"), "/delivery/country"),
        ("coupon", "X", "/coupon"),
    ],
)
async def test_what_is_no_order_is_refused_by_the_fields_path(
    shop: Shop, member: str, value: Any, field: str
) -> None:
    body = {
        "lines": [{"product_id": mint("prd"), "quantity": 1}],
        "delivery": delivery(),
        "payment": {"token": "tok_approve"},
        member: value,
    }
    headers = {**customer(), **keyed(), "Privity-New-Id": mint("ord")}

    answer = await shop.api.post("/v1/orders", json=body, headers=headers)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert "4242" not in answer.text
    assert "Alice" not in answer.text


async def test_order_numbers_are_ten_digits_and_do_not_count_orders(shop: Shop) -> None:
    numbers = [int((await shop.order())["number"][2:]) for _ in range(5)]

    assert all(10**9 <= number < 10**10 for number in numbers)
    gaps = {abs(a - b) for a, b in pairwise(numbers)}
    assert min(gaps) > 1_000_000
