"""The payload is built from what is allowed, and is what its schema promises."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from joserfc import jwe
from joserfc.jwk import ECKey
from pydantic import ValidationError

from privacy_gateway.domain.disclosure import encryption, payload, schemas
from privacy_gateway.domain.disclosure.payload import MEMBERS, NotAsPublished
from privacy_gateway.domain.policy import Policy, load
from privacy_gateway.domain.recipients.public_key import PublicKey, UnusableKey
from privity_contracts import ids

NOW = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
DLV, SHP = ids.mint("dlv"), ids.mint("shp")
VALUES = {
    "recipient": "Aiko Ōe-Müller",
    "phone": "+4915112345678",
    "line1": "Straße des 17. Juni 135",
    "line2": "c/o Hinterhof",
    "city": "Berlin",
    "region": "BE",
    "postal_code": "10623",
    "country": "DE",
}
POLICY = Path(__file__).parents[2] / "policy" / "2026-11-22.yaml"
ALL = frozenset(member.category for member in MEMBERS.values())


def built(values: dict[str, str], **changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "delivery_id": DLV,
        "shipment_id": SHP,
        "weight_grams": 1200,
        "now": NOW,
    }
    body: dict[str, Any] = orjson.loads(payload.build(values, **(arguments | changes)))
    return body


def test_the_payload_is_exactly_this() -> None:
    assert built(VALUES) == {
        "type": "delivery_request",
        "id": DLV,
        "shipment": SHP,
        "sent_at": "2026-11-22T12:00:00Z",
        "recipient": {"name": "Aiko Ōe-Müller", "phone": "+4915112345678"},
        "address": {
            "line1": "Straße des 17. Juni 135",
            "line2": "c/o Hinterhof",
            "city": "Berlin",
            "region": "BE",
            "postal_code": "10623",
            "country": "DE",
        },
        "parcel": {"weight_grams": 1200},
    }


def test_everything_in_it_is_on_the_policys_list_and_nothing_of_payment_is() -> None:
    allowed = Policy(load(POLICY)).allow_list("delivery")

    assert allowed == ALL
    assert not any("payment" in each or "email" in each for each in allowed)


def test_what_an_order_does_not_have_is_absent() -> None:
    few = {name: VALUES[name] for name in ("recipient", "line1", "city", "country")}

    body = built(few)

    assert body["recipient"] == {"name": "Aiko Ōe-Müller"}
    assert set(body["address"]) == {"line1", "city", "country"}


@pytest.mark.parametrize("category", sorted(ALL))
def test_what_the_policy_does_not_allow_is_neither_planned_nor_recorded(category: str) -> None:
    planned = payload.plan(list(VALUES), allowed=ALL - {category})

    assert category not in planned.categories
    assert category not in {access.category for access in planned.accesses}
    assert all(MEMBERS[field].category != category for field in planned.fields)


def test_a_field_that_is_not_on_the_list_is_never_planned() -> None:
    planned = payload.plan([*VALUES, "email", "price", "user.payment"], allowed=ALL)

    assert set(planned.fields) == set(VALUES)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"recipient": ""}, "/recipient/name"),
        ({"recipient": "a\r\nb"}, "/recipient/name"),
        ({"recipient": "x" * 201}, "/recipient/name"),
        ({"phone": "030 1234"}, "/recipient/phone"),
        ({"line1": "a\x00"}, "/address/line1"),
        ({"country": "Germany"}, "/address/country"),
        ({"postal_code": "10623\n"}, "/address/postal_code"),
    ],
)
def test_a_value_that_the_schema_does_not_promise_is_not_sent_and_not_repeated(
    changes: dict[str, str], pointer: str
) -> None:
    with pytest.raises(NotAsPublished) as refusal:
        built(VALUES | changes)

    assert [place for place, _ in refusal.value.errors] == [pointer]
    assert not any(value and value in str(refusal.value.errors) for value in changes.values())


@pytest.mark.parametrize("missing", ["recipient", "line1", "city", "country"])
def test_a_payload_that_does_not_deliver_is_not_sent(missing: str) -> None:
    with pytest.raises(NotAsPublished):
        built({name: value for name, value in VALUES.items() if name != missing})


@pytest.mark.parametrize("name", schemas.NAMES)
def test_every_schema_is_closed(name: str) -> None:
    def objects(schema: Any) -> Any:
        if isinstance(schema, dict):
            if schema.get("type") == "object":
                yield schema
            for member in schema.values():
                yield from objects(member)

    schema = orjson.loads(schemas.document(name))

    assert schema["$id"] == f"urn:privity:schema:{name}"
    assert all(each["additionalProperties"] is False for each in objects(schema))


def test_a_member_that_is_not_published_is_named_and_not_repeated() -> None:
    body = built(VALUES) | {"email": "a@example.org", "0301234567": 1}

    found = schemas.errors(schemas.DELIVERY_REQUEST, body)

    assert sorted(found) == [("/email", "unknown_field"), ("/…", "unknown_field")]


@pytest.fixture
def partners_key() -> ECKey:
    return ECKey.generate_key("P-256")


def public(key: ECKey, **changes: Any) -> dict[str, Any]:
    members = {name: key.as_dict(private=False)[name] for name in ("kty", "crv", "x", "y")}
    return members | {"kid": "carrier-2026"} | changes


def test_only_the_partners_key_opens_an_encrypted_payload(partners_key: ECKey) -> None:
    sealed = encryption.encrypt(b'{"a":1}', PublicKey(**public(partners_key)))

    opened = jwe.decrypt_compact(sealed, partners_key, algorithms=["ECDH-ES+A256KW", "A256GCM"])
    header = opened.protected
    assert opened.plaintext == b'{"a":1}'
    assert (header["alg"], header["enc"], header["kid"]) == (
        "ECDH-ES+A256KW",
        "A256GCM",
        "carrier-2026",
    )
    wrapped = orjson.loads(payload.build_encrypted(DLV, sealed))
    assert schemas.errors(schemas.ENCRYPTED_DELIVERY, wrapped) == []


def test_a_key_that_is_private_of_another_kind_or_nowhere_on_the_curve_is_refused(
    partners_key: ECKey,
) -> None:
    whole = partners_key.as_dict(private=True)
    for changes in (
        {"d": whole["d"]},
        {"kty": "oct", "k": "AAAA"},
        {"crv": "P-384"},
        {"kid": ""},
        {"kid": "a b"},
        {"x": whole["x"][:-1]},
        {"use": "sig"},
        {"alg": "RSA1_5"},
    ):
        with pytest.raises(ValidationError):
            PublicKey(**public(partners_key, **changes))

    with pytest.raises(UnusableKey):
        PublicKey(**public(partners_key, y=whole["x"])).imported()
