"""What a client may send."""

import json
from typing import Any

import pytest

from privacy_gateway.domain.contracts.document import Route
from privacy_gateway.domain.contracts.offer import Offer
from privacy_gateway.domain.contracts.request import Reading
from privacy_gateway.domain.passage.contracts import Contracts
from privacy_gateway.domain.policy import Policy
from privity_contracts.ids import mint

ADDRESS = {
    "recipient": " Alice  Example ",
    "phone": "+49 30 23125 001",
    "line1": "Musterstraße 1",
    "city": "Berlin",
    "postal_code": "10115",
    "country": "DE",
}


@pytest.fixture(scope="session")
def contracts(shop_contract: dict[str, Any], policy: Policy) -> Contracts:
    return Contracts(Offer({"shop": shop_contract}), policy)


def route(contracts: Contracts, name: str) -> Route:
    return next(route for route in contracts.offer.routes if route.name == name)


def read(contracts: Contracts, name: str, body: Any) -> Reading:
    plan = contracts.request(route(contracts, name))
    assert plan is not None
    return plan.read(body)


def test_personal_fields_become_slots_to_seal_in_normal_form(contracts: Contracts) -> None:
    reading = read(contracts, "PUT /v1/addresses/mine", ADDRESS)

    assert reading.errors == []
    sealed = {slot.name: (slot.category, slot.plaintext) for slot in reading.slots}
    assert sealed["recipient"] == ("user.name", "Alice Example")
    assert sealed["phone"] == ("user.contact.phone_number", "+493023125001")
    assert "country" not in sealed
    assert reading.body["country"] == "DE"


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"birth_date": "2000-01-01"}, "/birth_date", "unknown_field"),
        ({"Bob Example 030": 1}, "/…", "unknown_field"),
        ({"recipient": 5}, "/recipient", "string_type"),
        ({"recipient": None}, "/recipient", "string_type"),
        ({"phone": {"a": 1}}, "/phone", "string_type"),
        ({"country": "Germany"}, "/country", "pattern"),
        ({"country": "DE\n"}, "/country", "pattern"),
        ({"postal_code": "1011"}, "/postal_code", None),
        ({"postal_code": None}, "/postal_code", "required"),
    ],
)
def test_what_is_wrong_is_named_by_place_and_code(
    contracts: Contracts, change: dict[str, Any], pointer: str, code: str | None
) -> None:
    reading = read(contracts, "PUT /v1/addresses/mine", ADDRESS | change)

    assert [place for place, _ in reading.errors] == [pointer]
    if code is not None:
        assert reading.errors[0][1] == code


def test_errors_never_hold_a_value(contracts: Contracts) -> None:
    body = dict.fromkeys(ADDRESS, "Zebra@\u202e") | {"Zebra": "Zebra"}

    reading = read(contracts, "PUT /v1/addresses/mine", body)

    assert len(reading.errors) >= 5
    assert "Zebra" not in json.dumps(reading.errors)


def test_missing_members_are_required_by_name(contracts: Contracts) -> None:
    reading = read(contracts, "PUT /v1/addresses/mine", {"country": "DE"})

    assert ("/recipient", "required") in reading.errors


@pytest.mark.parametrize("body", [None, [], "text", 5, True])
def test_only_an_object_is_a_body(contracts: Contracts, body: Any) -> None:
    assert read(contracts, "PUT /v1/addresses/mine", body).errors == [("", "object_type")]


def test_an_index_is_looked_up_and_the_value_sealed(contracts: Contracts) -> None:
    body = {"name": "Alice", "email": "Alice@Example.org", "password": "correct horse"}

    reading = read(contracts, "POST /v1/registrations", body)

    assert [slot.name for slot in reading.slots] == ["name", "email"]
    assert [(look.name, look.category) for look in reading.lookups] == [
        ("email_index", "user.contact.email")
    ]
    assert reading.body["password"] == "correct horse"


def test_a_value_for_looking_up_alone_goes_no_further(contracts: Contracts) -> None:
    body = {"email": "alice@example.org", "password": "correct horse"}

    reading = read(contracts, "POST /v1/sign-ins", body)

    assert reading.body == {"password": "correct horse"}
    assert reading.slots == []
    assert reading.lookups[0].plaintext == "alice@example.org"


@pytest.mark.parametrize("name", ["email_index", "delivery"])
def test_what_the_gateway_derives_no_client_sends(contracts: Contracts, name: str) -> None:
    bodies = {"email_index": "POST /v1/sign-ins", "delivery": "POST /v1/orders"}

    reading = read(contracts, bodies[name], {name: "b1:0:" + "A" * 32})

    assert (f"/{name}", "unknown_field") in reading.errors


def test_an_id_stands_for_the_object_that_is_carried(contracts: Contracts) -> None:
    body = {"lines": [{"product": mint("prd"), "quantity": 1}], "address_id": mint("adr")}

    reading = read(contracts, "POST /v1/orders", body)

    assert reading.errors == []
    (carry,) = reading.carries
    assert (carry.service, carry.name, carry.key) == ("customers", "delivery", body["address_id"])
    assert carry.fields["recipient"] == "user.name"
    assert carry.fields["country"] is None


@pytest.mark.parametrize(
    ("quantity", "code"),
    [(0, "range"), (100, "range"), (True, "int_type"), (1.0, "int_type"), ("1", "int_type")],
)
def test_numbers_keep_their_type_and_range(contracts: Contracts, quantity: Any, code: str) -> None:
    line = {"product": mint("prd"), "quantity": quantity}

    reading = read(contracts, "POST /v1/orders", {"lines": [line], "address_id": mint("adr")})

    assert reading.errors == [("/lines/0/quantity", code)]


@pytest.mark.parametrize("count", [0, 4])
def test_lists_keep_their_length(contracts: Contracts, count: int) -> None:
    lines = [{"product": mint("prd"), "quantity": 1}] * count

    reading = read(contracts, "POST /v1/orders", {"lines": lines, "address_id": mint("adr")})

    assert reading.errors == [("/lines", "length")]


@pytest.mark.parametrize(
    "key",
    ["../../admin", "adr_1?x=1", "a" * 41, "", 5, None, "٣٣٣", "adr_٣", "ｓearches", "searches"],
)
def test_an_id_to_carry_cannot_leave_its_path(contracts: Contracts, key: Any) -> None:
    lines = [{"product": mint("prd"), "quantity": 1}]

    reading = read(contracts, "POST /v1/orders", {"lines": lines, "address_id": key})

    assert reading.errors == [("/address_id", "pattern")]
