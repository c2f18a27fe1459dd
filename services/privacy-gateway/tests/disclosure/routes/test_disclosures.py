"""A partner gets the least that delivers, under a valid agreement, after the record, or nothing."""

import orjson
import pytest
from joserfc import jwe
from joserfc.jwk import ECKey
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook

from privacy_gateway.domain.disclosure import schemas
from privacy_gateway.models import Delivery
from privity_contracts import ids

URL = "/v1/disclosures"
ADAPTER = "logistics-adapter"
READABLE = ("Aiko", "+4915112345678", "Straße", "Hinterhof", "Berlin", "10623")


async def test_a_partner_receives_exactly_what_delivers(gateway, partner, carrier) -> None:
    order = await gateway.order()

    answer = await gateway.disclose(order, carrier)

    (received,) = partner.received
    body = orjson.loads(received.body)
    assert answer.json() == {
        "outcome": "delivered",
        "status": 204,
        "retry_after_seconds": None,
        "reason": "accepted",
    }
    assert schemas.errors(schemas.DELIVERY_REQUEST, body) == []
    assert body.pop("sent_at").endswith("Z")
    assert body == {
        "type": "delivery_request",
        "id": order["id"],
        "shipment": order["shipment_id"],
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


async def test_it_is_signed_with_the_delivery_id_as_its_message_id(
    gateway, partner, carrier
) -> None:
    order = await gateway.order()

    await gateway.disclose(order, carrier)

    (received,) = partner.received
    assert received.headers["webhook-id"] == order["id"]
    Webhook(carrier["webhook_secret"]).verify(received.body, received.headers)


async def test_each_field_is_on_record_and_no_value_is(gateway, partner, carrier) -> None:
    order = await gateway.order()

    answer = await gateway.disclose(order, carrier)

    (record,) = await gateway.records(answer)
    assert (record["kind"], record["decision"]) == ("disclosure", "allow")
    assert (record["actor"], record["purpose"]) == ("svc_logistics-adapter", "delivery")
    assert (record["recipient"], record["clauses"]) == (carrier["id"], ["C2.2", "C4.2"])
    assert record["fields"]["reveal"] == {
        "user.name": ["recipient.name"],
        "user.contact.phone_number": ["recipient.phone"],
        "user.contact.address.street": ["address.line1", "address.line2"],
        "user.contact.address.city": ["address.city"],
        "user.contact.address.state": ["address.region"],
        "user.contact.address.postal_code": ["address.postal_code"],
        "user.contact.address.country": ["address.country"],
    }
    assert order["subject_id"] not in orjson.dumps(record).decode()
    assert not any(word in orjson.dumps(record).decode() for word in READABLE)


async def test_a_partner_with_a_key_receives_what_only_they_can_read(gateway, partner) -> None:
    key = ECKey.generate_key("P-256")
    public = {name: key.as_dict(private=False)[name] for name in ("kty", "crv", "x", "y")}
    added = await gateway.recipient(endpoint=partner.url, public_key=public | {"kid": "k-1"})
    await gateway.agreement(added["id"])
    order = await gateway.order()

    answer = await gateway.disclose(order, added)

    (received,) = partner.received
    body = orjson.loads(received.body)
    assert answer.json()["outcome"] == "delivered"
    assert set(body) == {"type", "id", "encrypted"}
    assert not any(word.encode() in received.body for word in READABLE)
    opened = jwe.decrypt_compact(body["encrypted"], key, algorithms=["ECDH-ES+A256KW", "A256GCM"])
    assert opened.protected["kid"] == "k-1"
    assert orjson.loads(opened.plaintext)["recipient"]["name"] == "Aiko Ōe-Müller"


async def test_both_secrets_sign_while_they_overlap(gateway, partner, carrier) -> None:
    rotated = await gateway.send(
        "owner", "POST", f"/v1/recipients/{carrier['id']}/secrets", {"use": "webhook"}
    )

    await gateway.disclose(await gateway.order(), carrier)

    (received,) = partner.received
    for secret in (carrier["webhook_secret"], rotated.json()["secret"]):
        Webhook(secret).verify(received.body, received.headers)


async def test_sent_again_it_is_the_same_message_and_recorded_again(
    gateway, partner, carrier
) -> None:
    order = await gateway.order()
    partner.status = 500

    first = await gateway.disclose(order, carrier)
    partner.status = 204
    second = await gateway.disclose(order, carrier)

    assert [first.json()["outcome"], second.json()["outcome"]] == ["retry", "delivered"]
    assert {each.headers["webhook-id"] for each in partner.received} == {order["id"]}
    assert len(await gateway.records(first)) == len(await gateway.records(second)) == 1
    async with gateway.means.database.transaction() as tx:
        row = await tx.get(Delivery, order["id"])
    assert (row.attempts, row.outcome, row.recipient_id) == (2, "delivered", carrier["id"])


@pytest.mark.parametrize("what", ["recipient_id", "order_id", "shipment_id"])
async def test_a_delivery_id_never_goes_to_another_partner_or_order(
    gateway, partner, other_partner, carrier, what: str
) -> None:
    order = await gateway.order()
    await gateway.disclose(order, carrier)
    other = await gateway.recipient(endpoint=other_partner.url)
    await gateway.agreement(other["id"])
    changed = (await gateway.order(order["subject_id"])) | {"id": order["id"]}
    if what == "recipient_id":
        changed = order
    elif what == "shipment_id":
        changed = order | {"shipment_id": ids.mint("shp")}

    answer = await gateway.disclose(changed, other if what == "recipient_id" else carrier)

    assert (answer.status_code, answer.json()["code"]) == (409, "another_delivery")
    assert (len(partner.received), len(other_partner.received)) == (1, 0)


@pytest.mark.parametrize("who", ["customers", "orders", "owner", "support"])
async def test_only_the_logistics_adapter_may_disclose(gateway, partner, carrier, who: str) -> None:
    body = await gateway.order() | {"recipient_id": carrier["id"]}

    answer = await gateway.send(who, "POST", URL, body)

    assert (answer.status_code, answer.json()["code"]) == (403, "not_entrusted")
    assert [each["decision"] for each in await gateway.records(answer)] == ["refuse"]
    assert partner.connections == 0


async def test_a_visitor_may_not_even_be_refused_on_record(gateway, carrier) -> None:
    body = await gateway.order() | {"recipient_id": carrier["id"]}

    answer = await gateway.send("visitor", "POST", URL, body)

    assert answer.status_code == 401
    assert await gateway.records(answer) == []


@pytest.mark.parametrize(
    ("change", "errors"),
    [
        (lambda b: b["sealed"].update(email="x"), [("/sealed/email", "unknown_field")]),
        (lambda b: b["facts"].update(price=1), [("/facts/price", "unknown_field")]),
        (lambda b: b["sealed"].update(recipient="Aiko"), [("/sealed/recipient", "value_error")]),
        (lambda b: b["sealed"].pop("phone"), [("/sealed/phone", "required")]),
        (lambda b: b.update(kind="marketing"), [("/kind", "literal_error")]),
        (
            lambda b: b["facts"].update(weight_grams=0),
            [("/facts/weight_grams", "greater_than_equal")],
        ),
        (lambda b: b.update(id="dlv_1"), [("/id", "string_pattern_mismatch")]),
    ],
)
async def test_what_is_not_a_disclosure_is_refused_by_name(
    gateway, carrier, change, errors
) -> None:
    body = await gateway.order() | {"recipient_id": carrier["id"]}
    change(body)

    answer = await gateway.send(ADAPTER, "POST", URL, body)

    assert answer.status_code == 422
    assert [(each["field"], each["code"]) for each in answer.json()["errors"]] == errors
    assert "Aiko" not in answer.text


async def test_no_payload_stays_in_the_database(gateway, carrier) -> None:
    order = await gateway.order()
    await gateway.disclose(order, carrier)

    async with gateway.means.database.transaction() as tx:
        row = (await tx.execute(select(Delivery).where(Delivery.id == order["id"]))).scalar_one()
        columns = [str(getattr(row, column.name)) for column in Delivery.__table__.columns]

    assert not any(word in " ".join(columns) for word in (*READABLE, "s1:", order["subject_id"]))
