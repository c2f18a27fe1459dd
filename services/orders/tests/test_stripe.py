"""Paying through Stripe's API: what it says, what it fails to say, and what we make of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from orders.clients.payment_provider import Charge, OutcomeUnknown
from orders.clients.stripe import Stripe
from orders.models import Outcome, Reason
from privity_contracts.ids import mint

from .standins import StripeStandin

Standin = tuple[StripeStandin, dict[str, Any]]


@pytest.fixture
def opening(stripe: Standin, tmp_path: Path) -> Callable[[float], Stripe]:
    """`opening(seconds)`: the adapter, which waits that long for an answer."""
    key = tmp_path / "key"
    key.write_text("sk_test_" + "s" * 40)
    key.chmod(0o600)
    return lambda seconds: Stripe(
        url=stripe[1]["stripe_url"],
        key_file=key,
        return_url="https://shop.example/back",
        timeout_seconds=seconds,
    )


@pytest.fixture
async def provider(opening: Callable[[float], Stripe]) -> AsyncIterator[Stripe]:
    async with opening(20) as provider:
        yield provider


@pytest.fixture
async def impatient(opening: Callable[[float], Stripe]) -> AsyncIterator[Stripe]:
    """For answers that never come."""
    async with opening(1) as provider:
        yield provider


def a_charge(token: str = "tok_visa", **changes: Any) -> Charge:  # no password
    return Charge(payment_id=mint("pay"), amount=1190, currency="EUR", token=token, **changes)


@pytest.mark.parametrize("token", ["tok_visa", "pm_card_visa"])
async def test_an_approved_payment_keeps_brand_last_four_and_reference(
    provider: Stripe, stripe: Standin, token: str
) -> None:
    attempt = await provider.charge(a_charge(token))

    assert attempt.outcome is Outcome.APPROVED
    assert (attempt.brand, attempt.last4) == ("visa", "4242")
    (intent,) = stripe[0].taken()
    assert (intent["id"], intent["amount"], intent["currency"]) == (
        attempt.reference,
        1190,
        "eur",
    )


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("tok_chargeDeclined", Reason.CARD_DECLINED),
        ("tok_chargeDeclinedInsufficientFunds", Reason.INSUFFICIENT_FUNDS),
        ("tok_nobody_knows", Reason.INVALID_TOKEN),
    ],
)
async def test_a_declined_payment_says_why(
    provider: Stripe, stripe: Standin, token: str, reason: Reason
) -> None:
    attempt = await provider.charge(a_charge(token))

    assert (attempt.outcome, attempt.reason) == (Outcome.DECLINED, reason)
    assert stripe[0].taken() == []


async def test_a_challenge_says_where_and_its_end_is_asked_for(
    provider: Stripe, stripe: Standin
) -> None:
    charge = a_charge("pm_card_threeDSecure2Required")
    attempt = await provider.charge(charge)
    assert attempt.outcome is Outcome.CHALLENGE
    assert attempt.challenge_url == f"https://hooks.stripe.example/{attempt.reference}"
    known = a_charge(reference=attempt.reference)

    before = await provider.after_challenge(known, result=None)
    stripe[0].succeed(str(attempt.reference))
    after = await provider.after_challenge(known, result=None)

    assert (before.outcome, after.outcome) == (Outcome.CHALLENGE, Outcome.APPROVED)


async def test_a_failed_challenge_is_a_declined_payment(provider: Stripe, stripe: Standin) -> None:
    attempt = await provider.charge(a_charge("pm_card_threeDSecure2Required"))
    stripe[0].fail_challenge(str(attempt.reference))

    after = await provider.after_challenge(a_charge(reference=attempt.reference), result=None)

    assert (after.outcome, after.reason) == (Outcome.DECLINED, Reason.AUTHENTICATION_FAILED)
    # And nobody can succeed with it later without our hearing of it.
    assert stripe[0].intents[str(attempt.reference)]["status"] == "canceled"


@pytest.mark.parametrize(
    "plan",
    [
        {"create": ["hang"]},
        {"create": ["hang"], "confirm": ["hang"]},
        {"confirm": ["hang"], "retrieve": ["broken"]},
        {"confirm": ["broken"], "retrieve": ["hang"]},
        {"create": ["busy"] * 4},
        {"confirm": ["busy"] * 4, "retrieve": ["busy"] * 4},
    ],
)
async def test_a_payment_whose_answer_was_lost_is_taken_once_when_asked_again(
    impatient: Stripe, stripe: Standin, plan: dict[str, list[str]]
) -> None:
    standin, charge = stripe[0], a_charge()
    standin.plan = plan
    unknown = 0

    for _ in range(5):
        try:
            attempt = await impatient.charge(charge)
            break
        except OutcomeUnknown:
            unknown += 1

    assert unknown >= 1
    assert attempt.outcome is Outcome.APPROVED
    assert len(standin.intents) == 1
    assert len(standin.taken()) == 1


async def test_a_server_error_after_the_money_was_taken_is_looked_through(
    provider: Stripe, stripe: Standin
) -> None:
    stripe[0].plan = {"confirm": ["broken"]}

    attempt = await provider.charge(a_charge())

    assert attempt.outcome is Outcome.APPROVED


async def test_too_many_requests_are_waited_out(provider: Stripe, stripe: Standin) -> None:
    stripe[0].plan = {"create": ["busy", "busy"], "confirm": ["busy"]}

    assert (await provider.charge(a_charge())).outcome is Outcome.APPROVED
    assert stripe[0].seen["create"] == 3


async def test_a_confirmation_that_never_happened_stays_unknown_and_can_be_released(
    provider: Stripe, stripe: Standin
) -> None:
    stripe[0].plan, charge = {"confirm": ["lost"]}, a_charge()

    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await provider.charge(charge)

    assert await provider.release(charge) is Outcome.VOIDED
    assert stripe[0].taken() == []


@pytest.mark.parametrize("known", [True, False])
async def test_money_that_was_taken_goes_back_once(
    impatient: Stripe, stripe: Standin, *, known: bool
) -> None:
    charge = a_charge()
    attempt = await impatient.charge(charge)
    if known:
        charge = Charge(charge.payment_id, 1190, "EUR", charge.token, attempt.reference)
    stripe[0].plan = {"refund": ["hang"]}

    with pytest.raises(OutcomeUnknown):
        await impatient.release(charge)
    outcomes = [await impatient.release(charge) for _ in range(2)]

    assert outcomes == [Outcome.REFUNDED, Outcome.REFUNDED]
    assert len(stripe[0].refunds) == 1


async def test_what_is_released_before_it_is_charged_is_never_charged(
    provider: Stripe, stripe: Standin
) -> None:
    charge = a_charge()

    assert await provider.release(charge) is Outcome.VOIDED
    assert (await provider.charge(charge)).outcome is Outcome.VOIDED

    assert stripe[0].taken() == []


async def test_charging_and_releasing_at_once_never_keeps_the_money(
    provider: Stripe, stripe: Standin
) -> None:
    for _ in range(10):
        charge = a_charge()
        await asyncio.gather(provider.charge(charge), provider.release(charge))

    refunded = {refund["payment_intent"] for refund in stripe[0].refunds}
    assert {intent["id"] for intent in stripe[0].taken()} == refunded


async def test_an_unknown_card_is_released_as_never_charged(provider: Stripe) -> None:
    assert await provider.release(a_charge("tok_nobody_knows")) is Outcome.VOIDED


async def test_no_server_at_all_is_an_unknown_outcome(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("sk_test_" + "s" * 40)
    key.chmod(0o600)
    nowhere = Stripe(
        url="http://127.0.0.1:1", key_file=key, return_url="https://x.example", timeout_seconds=1
    )

    with pytest.raises(OutcomeUnknown):
        await nowhere.charge(a_charge())
