"""Paying: declined, challenged, tried again; and never more than one payment that holds."""

import asyncio
from collections import Counter
from typing import Any

import httpx

from privity_contracts.ids import mint

from .shop import Shop, customer, keyed, packer


async def pay(
    shop: Shop, order: dict[str, Any], token: str, headers: dict[str, str] | None = None
) -> httpx.Response:
    return await shop.api.post(
        f"/v1/orders/{order['id']}/payments",
        json={"token": token},
        headers={**customer(order["subject_id"]), **(headers or keyed())},
    )


async def come_back(shop: Shop, order: dict[str, Any], result: str | None = None) -> httpx.Response:
    payment = order["payments"][-1]["id"]
    return await shop.api.post(
        f"/v1/orders/{order['id']}/payments/{payment}/confirmation",
        json={"result": result} if result else {},
        headers=customer(order["subject_id"]),
    )


async def test_a_declined_order_stays_placed_and_keeps_its_goods(shop: Shop) -> None:
    order = await shop.order(token="tok_decline_insufficient_funds")

    assert order["state"] == "placed"
    payment = order["payments"][0]
    assert (payment["outcome"], payment["reason"]) == ("declined", "insufficient_funds")
    assert await shop.stock(order["lines"][0]["product_id"]) == 998


async def test_a_token_that_the_provider_does_not_know_is_declined(shop: Shop) -> None:
    order = await shop.order(token="pm_unheard_of")

    assert order["payments"][0]["reason"] == "invalid_token"


async def test_another_try_pays_a_declined_order(shop: Shop) -> None:
    order = await shop.order(token="tok_decline")

    answer = await pay(shop, order, "tok_approve")

    assert answer.status_code == 201
    assert answer.json()["state"] == "paid"
    assert [p["outcome"] for p in answer.json()["payments"]] == ["declined", "approved"]


async def test_another_try_twice_with_one_key_is_one_try(shop: Shop) -> None:
    order, headers = await shop.order(token="tok_decline"), keyed()

    answers = await asyncio.gather(*(pay(shop, order, "tok_approve", headers) for _ in range(20)))

    assert Counter(answer.status_code for answer in answers) == {201: 20}
    assert len({answer.content for answer in answers}) == 1
    assert len(answers[0].json()["payments"]) == 2


async def test_tries_with_different_keys_never_hold_money_twice(shop: Shop) -> None:
    order = await shop.order(token="tok_decline")

    answers = await asyncio.gather(*(pay(shop, order, "tok_approve") for _ in range(10)))

    assert sorted({answer.status_code for answer in answers}) == [201, 409]
    outcomes = Counter(p["outcome"] for p in (await shop.read(order))["payments"])
    assert outcomes == {"declined": 1, "approved": 1}


async def test_a_tries_key_stands_for_one_token(shop: Shop) -> None:
    order = await shop.order(token="tok_decline")
    await pay(shop, order, "tok_decline", keyed("again", "a" * 32))

    answer = await pay(shop, order, "tok_approve", keyed("again", "b" * 32))

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_paid_order_is_not_paid_again(shop: Shop) -> None:
    answer = await pay(shop, await shop.order(), "tok_approve")

    assert (answer.status_code, answer.json()["code"]) == (409, "not_payable")


async def test_a_stranger_pays_nothing_and_confirms_nothing(shop: Shop) -> None:
    order = await shop.order(token="tok_challenge")
    stranger = {**order, "subject_id": mint("cus")}

    assert (await pay(shop, stranger, "tok_approve")).status_code == 404
    assert (await come_back(shop, stranger, "res_pass")).status_code == 404
    path = f"/v1/orders/{order['id']}/payments"
    answer = await shop.api.post(
        path, json={"token": "tok_approve"}, headers={**packer(), **keyed()}
    )
    assert answer.status_code == 403


async def test_a_challenge_that_is_passed_pays_once_however_often_it_is_confirmed(
    shop: Shop,
) -> None:
    order = await shop.order(token="tok_challenge")
    assert (order["state"], order["payments"][0]["outcome"]) == ("placed", "challenge")

    not_yet = await come_back(shop, order)
    first = await come_back(shop, order, "res_pass")
    second = await come_back(shop, order, "res_pass")

    assert not_yet.json()["payments"][0]["outcome"] == "challenge"
    assert first.status_code == 200
    assert first.json()["state"] == "paid"
    assert second.json() == first.json()
    assert await shop.history(order) == ["placed", "paid"]


async def test_a_challenge_that_is_failed_leaves_the_order_to_be_paid(shop: Shop) -> None:
    order = await shop.order(token="tok_challenge")

    failed = (await come_back(shop, order, "res_fail")).json()

    assert failed["state"] == "placed"
    assert failed["payments"][0]["reason"] == "authentication_failed"
    assert (await pay(shop, order, "tok_approve")).json()["state"] == "paid"


async def test_another_card_over_a_challenge_lets_go_of_the_first(shop: Shop) -> None:
    order = await shop.order(token="tok_challenge")

    paid = (await pay(shop, order, "tok_approve")).json()

    assert paid["state"] == "paid"

    async def voided() -> object:
        return (await shop.read(order))["payments"][0]["outcome"] == "voided"

    await shop.until(voided)
    assert (await come_back(shop, {**order, "payments": [order["payments"][0]]})).json()[
        "code"
    ] == "no_challenge"
    assert (await shop.read(order))["state"] == "paid"


async def test_there_is_no_confirming_a_payment_that_is_not_there(shop: Shop) -> None:
    order = await shop.order(token="tok_challenge")

    answer = await come_back(shop, {**order, "payments": [{"id": mint("pay")}]}, "res_pass")

    assert (answer.status_code, answer.json()["code"]) == (404, "payment_not_found")
