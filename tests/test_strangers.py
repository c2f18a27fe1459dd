"""Whose data it is, is decided twice: by the service that holds it and by the gateway.

A stranger with a valid token learns nothing, not even that there is something; and when a service
forgets to ask whose it is, or claims that it is the caller's, the gateway still gives nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import httpx
import pytest

from privity_contracts.ids import mint
from privity_deploy.seed import Shop
from privity_deploy.stack import Stack
from privity_postgres import for_driver

from . import doors
from .conftest import Household, MakeProduct
from .doors import Door
from .people import Answer, Customer, Someone, Staff, Town, new_key, order_of, search_for
from .second_gateway import SecondGateway

# Nothing in them is sealed and nothing beside them is: that the service says whose it is has to be
# enough. Times of sign-ins, what was agreed to, and the list of one's cases.
BY_WORD_ALONE = {
    "/v1/sessions",
    "/v1/consents",
    "/v1/consents/{name}/history",
    "/v1/consents/{name}/receipt",
    "/v1/cases",
}


@pytest.fixture(scope="module")
def stranger(town: Town) -> Customer:
    """With an address, an order and a case of their own."""
    return town.customer()


@pytest.fixture(scope="module")
def own_doors(shop: Shop) -> list[Door]:
    """What a customer may ask for of their own."""
    published = doors.doors(Someone(shop.url).get("/openapi.json"))
    return [door for door in published if "self_service" in door.purposes]


def with_ids(asked: Sequence[Door]) -> list[Door]:
    """Those whose address names a thing that belongs to somebody."""
    return [door for door in asked if "_id}" in door.path and "{product_id}" not in door.path]


def ask(who: Someone, door: Door, customer: Customer, ids: dict[str, str]) -> Answer:
    body = None if door.takes is None else doors.filled(door.takes, customer, ids)
    headers = {"Idempotency-Key": new_key()} if door.idempotent else None
    return who.ask(door.method, door.path.format_map(ids), body, headers=headers)


def readable(victim: Customer, ids: dict[str, str], body: bytes) -> list[str]:
    """What of the victim stands in an answer, in any spelling; also what they bought and when."""
    wanted = {**victim.private, "id": victim.id, "product": ids["product_id"]}
    return [f"{label} as {spelling}" for label, spelling in search_for(wanted).text(body)]


def shape(answer: Answer) -> tuple[Any, ...]:
    """All of a refusal but the id of the request and of what was asked for."""
    members = answer.json
    members.pop("instance")
    members["detail"] = (members.get("detail") or "").rpartition(" ")[0]
    return answer.status, members, sorted(name for name in answer.headers if name != "date")


def test_another_customers_things_and_no_things_look_the_same(
    household: Household, stranger: Customer, own_doors: list[Door]
) -> None:
    victim, ids = household
    nothing = ids | {name: mint(value[:3]) for name, value in ids.items() if name.endswith("_id")}
    asked = with_ids(own_doors)
    before = everything_of(victim, own_doors, ids)

    theirs = {door.name: ask(stranger.who, door, stranger, ids) for door in asked}
    nobodys = {door.name: ask(stranger.who, door, stranger, nothing) for door in asked}

    assert len(asked) >= 12
    for name, answer in theirs.items():
        assert answer.status == 404, name
        assert shape(answer) == shape(nobodys[name]), name
    assert everything_of(victim, own_doors, ids) == before


def everything_of(customer: Customer, own_doors: list[Door], ids: dict[str, str]) -> list[Any]:
    """What a customer can read of their own, without the records that reading it makes."""
    found = []
    for door in own_doors:
        # A receipt is dated when it is given.
        if door.method == "GET" and door.gives_personal and not door.path.endswith("/receipt"):
            content = customer.who.get(door.path.format_map(ids))
            content.pop("privacy", None)
            found.append(content)
    return found


def test_an_order_goes_to_nobody_elses_address(
    stack: Stack, household: Household, stranger: Customer, make_product: MakeProduct
) -> None:
    _, ids = household
    product = make_product(stock=1)
    wish = order_of(stranger, product, address_id=ids["address_id"])

    answer = stranger.who.ask("POST", "/v1/orders", wish, headers={"Idempotency-Key": new_key()})

    assert answer.status == 404
    assert orders_of(stack, stranger) == 0
    assert stranger.who.get(f"/v1/products/{product}")["stock"] == 1


def orders_of(stack: Stack, customer: Customer) -> int:
    async def count() -> int:
        connection = await asyncpg.connect(for_driver(stack.places.runtime_url("privity_orders")))
        try:
            query = "SELECT count(*) FROM orders WHERE subject_id = $1"
            return int(await connection.fetchval(query, customer.id))
        finally:
            await connection.close()

    return asyncio.run(count())


FORGETS = {"victim": True}
CLAIMS = {"victim": True, "claims": True}


def how_wrong(way: dict[str, bool], victim: Customer) -> dict[str, Any]:
    return {**way, "victim": victim.id}


@pytest.mark.parametrize("way", [FORGETS, CLAIMS], ids=["forgets to ask", "claims it is theirs"])
def test_nothing_of_a_stranger_is_given_when_a_service(
    way: dict[str, bool],
    another_gateway: SecondGateway,
    household: Household,
    stranger: Customer,
    own_doors: list[Door],
) -> None:
    victim, ids = household
    who = stranger.who.elsewhere(another_gateway.url)
    asked = [door for door in own_doors if door.method == "GET" and door.gives_personal]

    with another_gateway.wrong(**how_wrong(way, victim)):
        answers = {door.path: ask(who, door, stranger, ids) for door in asked}

    assert len(asked) >= 12
    found = {path: readable(victim, ids, answer.body) for path, answer in answers.items()}
    assert {path: values for path, values in found.items() if values} == {}
    not_given = {path for path, answer in answers.items() if answer.status == 404}
    assert set(answers) - not_given <= (BY_WORD_ALONE if way is CLAIMS else set())


def test_a_refusal_of_a_service_that_looked_at_somebody_else_does_not_say_at_whom(
    another_gateway: SecondGateway, town: Town, stranger: Customer
) -> None:
    victim = town.customer(with_address=False)
    who = stranger.who.elsewhere(another_gateway.url)

    with another_gateway.wrong(**how_wrong(FORGETS, victim)):
        answer = who.ask("GET", "/v1/consents/marketing/receipt")

    assert answer.status == 404
    assert victim.id.encode() not in answer.body


def test_what_a_service_gives_to_the_wrong_person_is_on_record_as_refused(
    another_gateway: SecondGateway, household: Household, stranger: Customer, staff: Staff
) -> None:
    victim, ids = household
    who = stranger.who.elsewhere(another_gateway.url)
    with another_gateway.wrong(**how_wrong(FORGETS, victim)):
        answer = who.ask("GET", f"/v1/orders/{ids['order_id']}/delivery")

    found = staff.grant("auditor", "audit_review").post(
        "/v1/audit/searches", {"actor": stranger.id, "kind": "refusal", "limit": 1}
    )

    assert answer.status == 404
    [record] = found[next(name for name in ("items", "records") if name in found)]
    assert (record["reason"], record["request"]) == ("foreign_subject", answer.json["instance"])


def test_the_services_behind_the_second_gateway_are_wrong_indeed(
    stack: Stack,
    another_gateway: SecondGateway,
    household: Household,
    stranger: Customer,
) -> None:
    victim, ids = household
    with another_gateway.wrong(**how_wrong(FORGETS, victim)):
        order = ask_the_service_itself(stack, "orders", f"/v1/orders/{ids['order_id']}", stranger)
        profile = ask_the_service_itself(stack, "customers", "/v1/profile", stranger)
        path = f"/v1/shipments/{ids['shipment_id']}"
        shipment = ask_the_service_itself(stack, "logistics-adapter", path, stranger)
    at_home = victim.who.elsewhere(another_gateway.url).get(f"/v1/addresses/{ids['address_id']}")

    assert {found["subject_id"] for found in (order, profile, shipment)} == {victim.id}
    # And whoever it belongs to gets it there all the same: what is refused is not simply broken.
    assert at_home["line1"] == victim.address["line1"]


def ask_the_service_itself(stack: Stack, service: str, path: str, who: Customer) -> Any:
    """As the gateway asks, past the gateway."""
    transport = httpx.HTTPTransport(uds=str(stack.places.sockets_dir / "wrong.sock"))
    key = stack.secrets.read(f"to_{service}")
    headers = {
        "Authorization": f"Bearer {key}",
        "Request-Id": mint("req"),
        "Privity-Caller": "customer",
        "Privity-Subject": who.id,
        "Privity-Actor": who.id,
        "Privity-Role": "customer",
        "Privity-Purpose": "self_service",
    }
    with httpx.Client(transport=transport, base_url=f"http://{service}") as client:
        return client.get(path, headers=headers).raise_for_status().json()


@pytest.mark.parametrize("way", [FORGETS, CLAIMS], ids=["forgets to ask", "claims it is theirs"])
def test_an_order_goes_to_nobody_elses_address_even_when_customers(
    way: dict[str, bool],
    stack: Stack,
    another_gateway: SecondGateway,
    household: Household,
    stranger: Customer,
    make_product: MakeProduct,
) -> None:
    victim, ids = household
    who = stranger.who.elsewhere(another_gateway.url)
    product = make_product(stock=1)
    wish = order_of(stranger, product, address_id=ids["address_id"])

    with another_gateway.wrong(**how_wrong(way, victim)):
        answer = who.ask("POST", "/v1/orders", wish, headers={"Idempotency-Key": new_key()})

    assert (answer.status, answer.code) == (404, "not_found")
    assert readable(victim, ids, answer.body) == []
    assert orders_of(stack, stranger) == 0
    assert stranger.who.get(f"/v1/products/{product}")["stock"] == 1


@pytest.mark.parametrize("way", [{}, FORGETS, CLAIMS], ids=["is right", "forgets", "claims"])
def test_staff_see_no_order_but_the_one_that_is_their_work_when_the_service(
    way: dict[str, bool],
    another_gateway: SecondGateway,
    household: Household,
    town: Town,
    staff: Staff,
    stranger: Customer,
    make_product: MakeProduct,
) -> None:
    victim, ids = household
    own = town.order(stranger, make_product())
    support = staff.grant("support", "order_verification", f"order/{own['id']}")
    who = support.elsewhere(another_gateway.url)
    paths = [f"/v1/orders/{ids['order_id']}{end}" for end in ("", "/delivery", "/history")]

    with another_gateway.wrong(**(how_wrong(way, victim) if way else {})):
        answers = [who.ask("GET", path) for path in paths]

    assert {answer.status for answer in answers} == {404}
    assert [readable(victim, ids, answer.body) for answer in answers] == [[], [], []]
