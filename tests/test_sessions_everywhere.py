"""Whoever signs out is signed out everywhere; so is whoever's token was used by two."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from privity_deploy.client import eventually

from .people import Customer, Someone, Staff, Town
from .second_gateway import SecondGateway

# Within so many seconds every process knows of a revocation, also when its notification was lost.
SECONDS = 2.5
# A route of the gateway's own: what is asked for needs no service, only a good token.
WHO_AM_I = "/v1/my/accesses"


@pytest.fixture
def customer(town: Town) -> Customer:
    return town.customer(with_address=False)


def refused_within(who: Someone, seconds: float, *, path: str = WHO_AM_I) -> float:
    """How long it took until the token was refused."""
    began = time.monotonic()

    def refused() -> bool:
        return who.ask("GET", path).status == 401

    eventually(refused, within=seconds, what="refusal of the token")
    return time.monotonic() - began


def refresh(customer: Customer) -> Customer:
    """The same session with the next pair of tokens."""
    body = {"refresh_token": customer.refresh_token}
    session = Someone(customer.who.url).post("/v1/sessions/refresh", body)
    return Customer(
        Someone(customer.who.url, {"Authorization": f"Bearer {session['access_token']}"}),
        *(customer.name, customer.email, customer.phone, session["refresh_token"], customer.id),
    )


def test_who_signs_out_is_out_at_once_here_and_moments_later_at_every_gateway(
    customer: Customer,
    town: Town,
    another_gateway: SecondGateway,
    record_figures: Callable[[str], None],
) -> None:
    elsewhere = customer.who.elsewhere(another_gateway.url)
    in_another_session = town.sign_in(customer)
    assert elsewhere.ask("GET", WHO_AM_I).status == 200

    out = customer.who.ask("DELETE", "/v1/sessions/current")
    at_once = customer.who.ask("GET", WHO_AM_I)
    took = refused_within(elsewhere, SECONDS)
    refreshing = customer.who.ask(
        "POST",
        "/v1/sessions/refresh",
        {"refresh_token": customer.refresh_token},
        headers={"Authorization": ""},
    )

    assert (out.status, at_once.status) == (204, 401)
    assert refreshing.status == 401
    assert in_another_session.who.ask("GET", WHO_AM_I).status == 200
    record_figures(f"sign-out known at another gateway after {took:.2f} s")


def test_signing_out_at_one_gateway_counts_at_the_other(
    customer: Customer, another_gateway: SecondGateway
) -> None:
    elsewhere = customer.who.elsewhere(another_gateway.url)

    assert elsewhere.ask("DELETE", "/v1/sessions/current").status == 204

    refused_within(customer.who, SECONDS)


def test_a_refresh_token_used_twice_ends_the_session_and_every_access_token_of_it(
    customer: Customer, another_gateway: SecondGateway, record_figures: Callable[[str], None]
) -> None:
    second = refresh(customer)
    third = refresh(second)
    everyone = [customer.who, second.who, third.who]
    elsewhere = [who.elsewhere(another_gateway.url) for who in everyone]
    assert {who.ask("GET", WHO_AM_I).status for who in [*everyone, *elsewhere]} == {200}

    thief = Someone(customer.who.url)
    stolen = thief.ask("POST", "/v1/sessions/refresh", {"refresh_token": customer.refresh_token})
    at_once = [who.ask("GET", WHO_AM_I).status for who in everyone]
    took = max(refused_within(who, SECONDS) for who in elsewhere)
    newest = thief.ask("POST", "/v1/sessions/refresh", {"refresh_token": third.refresh_token})

    assert stolen.status == 401
    assert at_once == [401, 401, 401]
    assert newest.status == 401
    record_figures(f"reuse of a refresh token known at another gateway after {took:.2f} s")


def test_a_grant_that_was_given_back_opens_nothing_any_more(
    staff: Staff, another_gateway: SecondGateway
) -> None:
    grant = staff.grant("warehouse", "warehousing")
    other = staff.grant("warehouse", "warehousing")
    elsewhere = grant.elsewhere(another_gateway.url)
    assert elsewhere.ask("GET", "/v1/orders").status == 200

    given_back = give_back(grant)

    assert given_back == 200
    assert grant.ask("GET", "/v1/orders").status == 401
    refused_within(elsewhere, SECONDS, path="/v1/orders")
    assert other.ask("GET", "/v1/orders").status == 200


def test_when_staff_sign_out_all_their_grants_end(
    staff: Staff, another_gateway: SecondGateway
) -> None:
    here = Staff(staff.shop)  # another sign-in of the same person
    grants = [
        here.grant("support", "customer_search", "shop"),
        here.grant("support", "case_management"),
    ]
    path = "/v1/case-queue"
    elsewhere = grants[1].elsewhere(another_gateway.url)
    assert elsewhere.ask("GET", path).status == 200
    identity = Someone(staff.shop.url, {})
    identity.headers["Authorization"] = f"Bearer {here.identity('support')['identity_token']}"

    assert give_back(identity) == 200

    assert grants[1].ask("GET", path).status == 401
    refused_within(elsewhere, SECONDS, path=path)
    assert here.ask_for("support", "case_management").status == 400
    assert staff.grant("support", "case_management").ask("GET", path).status == 200


def give_back(who: Someone) -> int:
    """RFC 7009."""
    token = who.headers["Authorization"].removeprefix("Bearer ")
    answer = Someone(who.url).ask(
        "POST",
        "/v1/token/revocation",
        content=f"token={token}".encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    return answer.status
