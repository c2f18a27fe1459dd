"""The carrier takes what the shop signed, and goes wrong in each way that it is asked to."""

import base64
import json
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from joserfc import jwe
from joserfc.jwk import ECKey
from standardwebhooks import Webhook

from privity_contracts.ids import mint

from .conftest import Shop

WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"w" * 32).decode()
CALLBACK_SECRET = "whsec_" + base64.b64encode(b"c" * 32).decode()


def request(**changed: Any) -> dict[str, Any]:
    return {
        "type": "delivery_request",
        "id": mint("dlv"),
        "shipment": mint("shp"),
        "sent_at": "2026-11-22T12:00:00Z",
        "recipient": {"name": "Maria López", "phone": "+34600111222"},
        "address": {"line1": "Calle Mayor 1", "city": "Madrid", "country": "ES"},
        "parcel": {"weight_grams": 900},
        **changed,
    }


@pytest.fixture(scope="module")
def process(start: Callable[..., httpx.Client]) -> httpx.Client:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return start("standins.carrier", port, "--port", str(port))


@pytest.fixture
def carrier(process: httpx.Client) -> httpx.Client:
    process.put("/behaviour", json={"tracking": "on_command"}).raise_for_status()
    process.delete("/deliveries").raise_for_status()
    told = {"webhook_secret": WEBHOOK_SECRET, "recipient_id": mint("rcp")}
    process.put("/identity", json=told).raise_for_status()
    return process


def post(
    carrier: httpx.Client,
    body: Any,
    *,
    secret: str = WEBHOOK_SECRET,
    at: datetime | None = None,
    webhook_id: str | None = None,
) -> httpx.Response:
    text, now = json.dumps(body), at or datetime.now(UTC)
    webhook_id = webhook_id or body["id"]
    headers = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, now, text),
    }
    return carrier.post("/webhooks", content=text, headers=headers)


def kept(carrier: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = carrier.get("/deliveries").json()
    return found


def encrypted(carrier: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    key = carrier.get("/key").json()
    assert "d" not in key
    header = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "kid": key["kid"]}
    suite = ["ECDH-ES+A256KW", "A256GCM"]
    token = jwe.encrypt_compact(header, json.dumps(body), ECKey.import_key(key), algorithms=suite)
    return {"type": "delivery_request", "id": body["id"], "encrypted": token}


def test_a_signed_and_encrypted_delivery_is_taken_once(carrier: httpx.Client) -> None:
    body = request()

    answers = [post(carrier, encrypted(carrier, body)).status_code for _ in range(3)]

    assert answers == [204, 204, 204]
    [delivery] = kept(carrier)["deliveries"]
    assert delivery["payload"] == body
    assert delivery["encrypted"]
    assert "Maria" not in delivery["raw"]
    assert delivery["times_received"] == 3


def test_a_partner_without_a_key_can_read_it_too(carrier: httpx.Client) -> None:
    assert post(carrier, request()).status_code == 204
    assert not kept(carrier)["deliveries"][0]["encrypted"]


def test_what_the_shop_did_not_sign_is_refused(carrier: httpx.Client) -> None:
    old = datetime.now(UTC) - timedelta(minutes=6)

    assert post(carrier, request(), secret=CALLBACK_SECRET).status_code == 401
    assert post(carrier, request(), at=old).status_code == 401
    assert carrier.post("/webhooks", json=request()).status_code == 401
    assert post(carrier, request(), webhook_id=mint("dlv")).status_code == 422
    assert kept(carrier)["deliveries"] == []


def test_more_or_less_than_was_published_is_refused(carrier: httpx.Client) -> None:
    for wrong in (
        request(email="maria@example.org"),
        request(payment={"last_four": "4242"}),
        request(recipient={"phone": "+34600111222"}),
        request(recipient={"name": "Maria", "email": "maria@example.org"}),
        request(shipment="shp_1"),
    ):
        assert post(carrier, wrong).status_code == 422
        assert post(carrier, encrypted(carrier, wrong)).status_code == 422

    assert kept(carrier)["deliveries"] == []


def test_what_is_encrypted_to_another_key_is_refused(carrier: httpx.Client) -> None:
    header = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM"}
    suite, other = ["ECDH-ES+A256KW", "A256GCM"], ECKey.generate_key("P-256")
    body = request()
    token = jwe.encrypt_compact(header, json.dumps(body), other, algorithms=suite)

    assert post(carrier, {"id": body["id"], "encrypted": token}).status_code == 400


def test_it_quotes_what_it_was_given_when_it_is_told(carrier: httpx.Client) -> None:
    carrier.put("/behaviour", json={"mode": "error_500_echoing"}).raise_for_status()

    answer = post(carrier, request())

    assert answer.status_code == 500
    assert "recipient" in answer.text
    assert "recipient" in answer.headers["x-error"]


@pytest.mark.parametrize(
    ("mode", "status", "taken"),
    [("error_500", 500, 0), ("gone_410", 410, 0), ("redirect", 307, 0), ("slow", 204, 1)],
)
def test_it_misbehaves_as_often_as_it_is_told(
    carrier: httpx.Client, mode: str, status: int, taken: int
) -> None:
    behaviour = {"mode": mode, "times": 2, "seconds": 0.5, "tracking": "on_command"}
    carrier.put("/behaviour", json=behaviour).raise_for_status()
    body, began = request(), time.monotonic()

    assert post(carrier, body).status_code == status
    assert post(carrier, body).status_code == status
    assert len(kept(carrier)["deliveries"]) == taken
    assert (time.monotonic() - began >= 1) == (mode == "slow")
    assert post(carrier, body).status_code == 204


@pytest.mark.parametrize(("mode", "taken"), [("hang_up", 0), ("hang_up_after_taking", 1)])
def test_it_hangs_up_without_an_answer(carrier: httpx.Client, mode: str, taken: int) -> None:
    behaviour = {"mode": mode, "times": 1, "tracking": "on_command"}
    carrier.put("/behaviour", json=behaviour).raise_for_status()

    with pytest.raises(httpx.TransportError):
        post(carrier, request())

    assert len(kept(carrier)["deliveries"]) == taken


def test_it_answers_a_byte_at_a_time_or_far_too_much(carrier: httpx.Client) -> None:
    began = time.monotonic()
    carrier.put("/behaviour", json={"mode": "slow_body", "seconds": 2}).raise_for_status()
    assert len(post(carrier, request()).content) == 2
    assert time.monotonic() - began >= 2

    carrier.put("/behaviour", json={"mode": "big_answer"}).raise_for_status()
    assert len(post(carrier, request()).content) == 64 * 1024 * 1024


def test_it_reports_on_command_until_the_shop_has_it(carrier: httpx.Client, shop: Any) -> None:
    told = {"gateway_url": shop.url, "callback_secret": CALLBACK_SECRET, "recipient_id": "rcp_1"}
    carrier.put("/identity", json=told).raise_for_status()
    shop.answers = [503]
    shipment = mint("shp")

    answer = carrier.post("/advance", json={"shipment": shipment, "status": "in_transit"})

    assert answer.json()["answers"] == [503, 202]
    path, headers, body = shop.got[-1]
    assert path == "/v1/partners/rcp_1/tracking"
    report = Webhook(CALLBACK_SECRET).verify(body, headers)
    assert report["event_id"] == headers["webhook-id"] == answer.json()["event_id"]
    assert (report["shipment"], report["status"]) == (shipment, "in_transit")
    assert shop.bodies()[0]["event_id"] == report["event_id"]


def test_it_delivers_by_itself_and_says_so_twice_when_told(
    carrier: httpx.Client, shop: Any
) -> None:
    told = {"gateway_url": shop.url, "callback_secret": CALLBACK_SECRET, "recipient_id": "rcp_1"}
    carrier.put("/identity", json=told).raise_for_status()
    behaviour = {"mode": "duplicate_callbacks", "tracking_pause_seconds": 0.05}
    carrier.put("/behaviour", json=behaviour).raise_for_status()

    post(carrier, request())

    deadline = time.monotonic() + 5
    while len(shop.got) < 6 and time.monotonic() < deadline:
        time.sleep(0.02)
    statuses = [body["status"] for body in shop.bodies()]
    assert statuses == [s for s in ("in_transit", "out_for_delivery", "delivered") for _ in "ab"]
    assert len({body["event_id"] for body in shop.bodies()}) == 3


def purge_request(**changed: Any) -> dict[str, Any]:
    return {
        "type": "purge_request",
        "id": mint("prg"),
        "delivery": mint("dlv"),
        "shipment": mint("shp"),
        "purge_by": "2026-12-06T12:00:00Z",
        **changed,
    }


def attested(carrier: httpx.Client, shop: Shop, count: int) -> list[dict[str, Any]]:
    until = time.monotonic() + 5
    while len(shop.got) < count and time.monotonic() < until:
        time.sleep(0.02)
    return [body for body in shop.bodies() if body["type"] == "purge_attestation"]


def test_it_purges_what_it_is_told_to_and_attests_to_it(carrier: httpx.Client, shop: Shop) -> None:
    told = {"gateway_url": shop.url, "callback_secret": CALLBACK_SECRET}
    carrier.put("/identity", json=told).raise_for_status()
    delivery = request()
    post(carrier, delivery)

    asked = purge_request(delivery=delivery["id"])
    assert post(carrier, asked).status_code == 204

    [said] = attested(carrier, shop, 1)
    assert (said["purge_request"], said["delivery"]) == (asked["id"], delivery["id"])
    [(path, headers, body)] = shop.got
    assert path.endswith("/purge-attestations")
    Webhook(CALLBACK_SECRET).verify(body, headers)
    assert kept(carrier)["deliveries"] == []


def test_who_forgets_attests_when_it_is_reminded(carrier: httpx.Client, shop: Shop) -> None:
    told = {"gateway_url": shop.url, "callback_secret": CALLBACK_SECRET}
    carrier.put("/identity", json=told).raise_for_status()
    carrier.put("/behaviour", json={"attestation": "on_reminder"}).raise_for_status()
    asked = purge_request()
    post(carrier, asked)
    time.sleep(0.2)
    assert shop.got == []

    reminder = asked | {"type": "purge_reminder", "id": f"{asked['id']}-1"}
    assert post(carrier, reminder | {"purge_request": asked["id"]}).status_code == 204

    [said] = attested(carrier, shop, 1)
    assert said["purge_request"] == asked["id"]
    assert [each["id"] for each in kept(carrier)["reminders"]] == [f"{asked['id']}-1"]
