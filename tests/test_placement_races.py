"""Many placements at once: one key is one order, and what is not there is not sold."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import asyncpg

from privity_deploy.stack import Stack
from privity_postgres import for_driver

from .people import Answer, Customer, Town, new_key, order_of


def at_once(count: int, place: Callable[[int], Answer]) -> list[Answer]:
    with ThreadPoolExecutor(count) as crowd:
        return list(crowd.map(place, range(count)))


def in_database(stack: Stack, query: str, *values: object) -> int:
    async def ask() -> int:
        connection = await asyncpg.connect(for_driver(stack.places.owner_url("privity_orders")))
        try:
            return int(await connection.fetchval(query, *values))
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_two_hundred_placements_with_one_key_are_one_order_and_one_payment(
    stack: Stack, town: Town, customer: Customer, make_product: Callable[..., str]
) -> None:
    product = make_product(stock=1000)
    body, headers = order_of(customer, product), {"Idempotency-Key": new_key()}

    def place(_: int) -> Answer:
        answer = customer.who.ask("POST", "/v1/orders", body, headers=headers)
        while answer.status == 503:  # told to come back later, with the same key
            answer = customer.who.ask("POST", "/v1/orders", body, headers=headers)
        return answer

    answers = at_once(200, place)

    orders = [{**a.json, "privacy": None} for a in answers]
    assert {a.status for a in answers} == {201}
    assert all(order == orders[0] for order in orders)
    assert orders[0]["state"] == "paid"
    mine = "SELECT count(*) FROM orders WHERE subject_id = $1"
    paid = "SELECT count(*) FROM payments JOIN orders ON orders.id = order_id WHERE subject_id = $1"
    assert in_database(stack, mine, customer.id) == 1
    assert in_database(stack, paid, customer.id) == 1
    assert in_database(stack, "SELECT stock FROM products WHERE id = $1", product) == 999


def test_one_key_for_another_order_is_refused(
    customer: Customer, make_product: Callable[..., str]
) -> None:
    product, headers = make_product(), {"Idempotency-Key": new_key()}
    first = customer.who.ask("POST", "/v1/orders", order_of(customer, product), headers=headers)

    other = order_of(customer, product, quantity=2)
    second = customer.who.ask("POST", "/v1/orders", other, headers=headers)

    assert first.status == 201
    assert (second.status, second.code) == (422, "idempotency_key_reused")


def test_of_fifty_buyers_of_the_last_one_exactly_one_gets_it(
    stack: Stack, town: Town, make_product: Callable[..., str]
) -> None:
    product = make_product(stock=1)
    buyers = [town.customer() for _ in range(5)]

    def buy(number: int) -> Answer:
        buyer, key = buyers[number % 5], {"Idempotency-Key": new_key()}
        answer = buyer.who.ask("POST", "/v1/orders", order_of(buyer, product), headers=key)
        while answer.status == 503:
            answer = buyer.who.ask("POST", "/v1/orders", order_of(buyer, product), headers=key)
        return answer

    answers = at_once(50, buy)

    assert sorted({a.status for a in answers}) == [201, 409]
    assert sum(a.status == 201 for a in answers) == 1
    assert in_database(stack, "SELECT stock FROM products WHERE id = $1", product) == 0
