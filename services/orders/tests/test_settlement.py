"""Orders and a real provider's manners: slow answers, lost answers, answers that come too late."""

import asyncio
from typing import Any

import pytest

from privity_contracts.ids import mint

from .conftest import OpenShop
from .shop import customer, keyed
from .standins import StripeStandin

Standin = tuple[StripeStandin, dict[str, Any]]


async def test_nothing_about_a_person_is_told_to_the_provider(
    a_shop: OpenShop, stripe: Standin
) -> None:
    async with a_shop(**stripe[1]) as shop:
        order = await shop.order(token="tok_visa")

    assert order["state"] == "paid"
    told = [value for form in stripe[0].forms for value in form.values()]
    assert not any(order["subject_id"] in value or "s1:" in value for value in told)
    assert order["payments"][0]["id"] in told


async def test_an_order_is_challenged_paid_cancelled_and_refunded_through_stripe(
    a_shop: OpenShop, stripe: Standin
) -> None:
    standin, settings = stripe
    async with a_shop(**settings) as shop:
        order = await shop.order(token="pm_card_threeDSecure2Required")
        payment = order["payments"][0]
        assert payment["challenge_url"].startswith("https://hooks.stripe.example/")
        standin.succeed(payment["challenge_url"].rsplit("/", 1)[1])
        who = customer(order["subject_id"])

        paid = await shop.api.post(
            f"/v1/orders/{order['id']}/payments/{payment['id']}/confirmation",
            json={},
            headers=who,
        )
        assert paid.json()["state"] == "paid"
        assert paid.json()["payments"][0]["challenge_url"] is None
        await shop.step(order, "cancellation", who)
        await shop.until_payment(order, "refunded")

    assert len(standin.refunds) == 1


async def test_a_customer_who_never_came_back_from_a_passed_challenge_has_paid(
    a_shop: OpenShop, stripe: Standin
) -> None:
    standin, settings = stripe
    async with a_shop(**settings, pay_within_seconds=0.5) as shop:
        order = await shop.order(token="pm_card_threeDSecure2Required")
        standin.succeed(order["payments"][0]["challenge_url"].rsplit("/", 1)[1])

        assert (await shop.until_payment(order, "approved"))["state"] == "paid"


async def test_all_who_wait_for_a_slow_provider_hear_the_same_and_hold_nothing_up(
    a_shop: OpenShop, stripe: Standin
) -> None:
    standin, settings = stripe
    standin.plan = {"confirm": ["hang"]}
    timing = {"payment_timeout_seconds": 2, "recover_payment_after_seconds": 2.5}
    async with a_shop(**settings, **timing) as shop:
        product, who = await shop.product(), customer()
        headers, new_id = keyed(), mint("ord")
        placing = [
            asyncio.create_task(
                shop.place(
                    who, (product["id"], 1), token="tok_visa", headers=headers, new_id=new_id
                )
            )
            for _ in range(40)
        ]

        async def taken() -> object:
            return standin.taken()

        await shop.until(taken)
        # Twice as many wait as there are connections; none of them keeps one.
        looked = await shop.api.get(f"/v1/products/{product['id']}", headers=who)
        assert not any(task.done() for task in placing)
        answers = await asyncio.gather(*placing)

        assert looked.status_code == 200
        assert {answer.status_code for answer in answers} == {201}
        assert {answer.json()["id"] for answer in answers} == {new_id}
        paid = await shop.until_payment(answers[0].json(), "approved")
        assert paid["state"] == "paid"
    assert len(standin.taken()) == 1


@pytest.mark.parametrize("how", ["hang", "slow"])
async def test_a_payment_that_succeeds_for_a_cancelled_order_goes_back(
    a_shop: OpenShop, stripe: Standin, how: str
) -> None:
    standin, settings = stripe
    standin.plan = {"confirm": [how]}
    async with a_shop(**settings, payment_timeout_seconds=2) as shop:
        product, who, new_id = await shop.product(), customer(), mint("ord")
        placing = asyncio.create_task(
            shop.place(who, (product["id"], 1), token="tok_visa", new_id=new_id)
        )

        async def taken() -> object:
            return standin.taken()

        await shop.until(taken)
        order = {"id": new_id, "subject_id": who["Privity-Subject"]}
        await shop.step(order, "cancellation", who)
        answer = await placing

        assert (answer.status_code, answer.json()["state"]) == (201, "cancelled")
        assert (await shop.until_payment(order, "refunded"))["state"] == "cancelled"
        assert await shop.stock(product["id"]) == 1000
    assert len(standin.refunds) == 1


async def test_an_order_whose_provider_is_away_is_cancelled_in_time_all_the_same(
    a_shop: OpenShop, stripe: Standin
) -> None:
    standin, settings = stripe
    standin.plan = {"create": ["busy"] * 8}  # the request and the first release
    async with a_shop(**settings, pay_within_seconds=2.5) as shop:
        order = await shop.order(token="tok_visa")
        assert (order["state"], order["payments"][0]["outcome"]) == ("placed", "pending")

        assert (await shop.until_payment(order, "voided"))["state"] == "cancelled"
        assert await shop.stock(order["lines"][0]["product_id"]) == 1000
    assert standin.taken() == []


async def test_another_try_waits_for_the_first_to_be_decided(
    a_shop: OpenShop, stripe: Standin
) -> None:
    standin, settings = stripe
    standin.plan = {"create": ["busy"] * 4}
    async with a_shop(**settings) as shop:
        order = await shop.order(token="tok_visa")

        answer = await shop.api.post(
            f"/v1/orders/{order['id']}/payments",
            json={"token": "tok_visa"},
            headers={**customer(order["subject_id"]), **keyed()},
        )

        assert (answer.status_code, answer.json()["code"]) == (409, "payment_pending")
