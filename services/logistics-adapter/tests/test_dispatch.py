"""A packed order becomes one shipment, and its partner is asked until there is an outcome."""

from typing import Any

import pytest

from privity_contracts.ids import mint

from .conftest import CARRIER, DISPATCHER, ORDERS, OWNER, Api, Gateway, Pack, customer, event

RETRY = {"outcome": "retry", "status": 500, "reason": "try_later", "retry_after_seconds": None}
REFUSALS = [
    ({"outcome": "no_agreement", "reason": "expired"}, "expired"),
    ({"outcome": "gone", "status": 410, "reason": "endpoint_gone"}, "endpoint_gone"),
    ({"outcome": "rejected", "status": 400, "reason": "refused"}, "refused"),
    ({"outcome": "rejected", "status": 400, "reason": "Maria López"}, "rejected"),
]


async def test_a_packed_order_is_handed_to_its_partner(
    api: Api, gateway: Gateway, pack: Pack, route: None
) -> None:
    packed = await pack(country="es", weight_grams="900")

    shipment = await api.until(packed.order_id, "handed_over")

    [disclosure] = gateway.disclosures
    order = gateway.orders[packed.order_id]
    assert disclosure.body == {
        "id": shipment["delivery"]["id"],
        "recipient_id": CARRIER,
        "order_id": packed.order_id,
        "subject_id": packed.subject_id,
        "shipment_id": shipment["id"],
        "kind": "delivery_request",
        "sealed": {
            name: order[name]
            for name in ("recipient", "phone", "line1", "city", "postal_code", "country")
        },
        "facts": {"weight_grams": 900},
    }
    assert shipment["recipient"] == order["recipient"]
    assert shipment["delivery"]["state"] == "accepted"
    assert gateway.strangers == 0


async def test_the_other_services_are_told(
    api: Api, gateway: Gateway, pack: Pack, route: None, settled: Any
) -> None:
    packed = await pack()

    await settled(lambda: gateway.told(packed.order_id), 2)

    assert set(gateway.told(packed.order_id)) == {"shipment.announced", "shipment.handed_over"}
    for told in gateway.events.values():
        assert set(told["data"]) == {"order_id", "shipment_id"}


async def test_the_same_event_twice_is_one_shipment(
    api: Api, gateway: Gateway, pack: Pack, route: None
) -> None:
    packed = await pack()
    shipment = await api.until(packed.order_id, "handed_over")
    again = {**packed.event, "id": mint("evt")}  # and another event that says the same

    for told in (packed.event, packed.event, again):
        assert (await api("POST", "/v1/events", ORDERS, told)).status_code == 204

    assert (await api.shipment(packed.order_id))["id"] == shipment["id"]
    assert len(gateway.disclosures) == 1


async def test_a_partner_that_fails_is_asked_again_under_the_same_id(
    api: Api, gateway: Gateway, pack: Pack, route: None
) -> None:
    gateway.outcomes = [RETRY, RETRY, {**RETRY, "status": None, "reason": "timeout"}]

    packed = await pack()

    shipment = await api.until(packed.order_id, "handed_over")
    assert [d.id for d in gateway.disclosures] == [shipment["delivery"]["id"]] * 4
    assert shipment["delivery"]["attempts"] == 4
    assert gateway.told(packed.order_id).count("shipment.handed_over") <= 1


async def test_a_gateway_that_is_away_or_broken_is_asked_again(
    api: Api, gateway: Gateway, pack: Pack, route: None
) -> None:
    gateway.statuses = [503, 500, 401]

    packed = await pack()

    shipment = await api.until(packed.order_id, "handed_over")
    assert {d.id for d in gateway.disclosures} == {shipment["delivery"]["id"]}


@pytest.mark.parametrize(("outcome", "reason"), REFUSALS)
async def test_what_cannot_be_delivered_waits_for_a_person(
    api: Api,
    gateway: Gateway,
    pack: Pack,
    route: None,
    settled: Any,
    outcome: dict[str, Any],
    reason: str,
) -> None:
    gateway.outcomes = [outcome]
    packed = await pack()

    shipment = await api.until(packed.order_id, "blocked")
    assert shipment["blocked_reason"] == reason
    assert shipment["delivery"]["state"] == "blocked"
    await settled(lambda: [t for t in gateway.told(packed.order_id) if "blocked" in t], 1)

    path = f"/v1/shipments/{shipment['id']}/dispatch"
    for _ in range(2):
        resumed = await api("POST", path, DISPATCHER)
        assert resumed.status_code in {202, 409}
    handed_over = await api.until(packed.order_id, "handed_over")
    assert handed_over["blocked_reason"] is None
    assert {d.id for d in gateway.disclosures} == {shipment["delivery"]["id"]}
    assert len(gateway.disclosures) == 2


async def test_a_request_that_the_gateway_refuses_waits_for_a_person(
    api: Api, gateway: Gateway, pack: Pack, route: None
) -> None:
    gateway.statuses = [409]

    packed = await pack()

    assert (await api.until(packed.order_id, "blocked"))["blocked_reason"] == "another_delivery"


async def test_attempts_end_and_the_reason_stays(
    api: Api, gateway: Gateway, pack: Pack, route: None
) -> None:
    gateway.outcomes = [RETRY] * 6

    packed = await pack()

    shipment = await api.until(packed.order_id, "blocked")
    assert shipment["blocked_reason"] == "try_later"
    assert shipment["delivery"]["attempts"] == len(gateway.disclosures) == 6


@pytest.mark.parametrize(("status", "reason"), [(500, "orders_500"), (503, "gateway_unavailable")])
async def test_orders_that_cannot_be_read_end_in_a_block_too(
    api: Api, gateway: Gateway, pack: Pack, route: None, status: int, reason: str
) -> None:
    gateway.orders_status = status

    packed = await pack()

    assert (await api.until(packed.order_id, "blocked"))["blocked_reason"] == reason
    assert gateway.disclosures == []


async def test_an_order_that_is_gone_or_of_somebody_else_is_not_disclosed(
    api: Api, gateway: Gateway, pack: Pack, route: None
) -> None:
    gateway.orders_status = 503
    gone, changed = await pack(), await pack()
    del gateway.orders[gone.order_id]
    gateway.orders[changed.order_id]["subject_id"] = mint("cus")
    gateway.orders_status = 200

    assert (await api.until(gone.order_id, "blocked"))["blocked_reason"] == "order_not_found"
    assert (await api.until(changed.order_id, "blocked"))["blocked_reason"] == "subject_differs"
    assert gateway.disclosures == []


async def test_a_correction_between_attempts_counts(
    api: Api, gateway: Gateway, pack: Pack, route: None
) -> None:
    gateway.outcomes = [{**RETRY, "retry_after_seconds": 1}]
    gateway.pause = 0.1
    packed = await pack()
    corrected = gateway.has(packed.order_id, packed.subject_id)

    shipment = await api.until(packed.order_id, "handed_over")

    assert gateway.disclosures[-1].body["sealed"]["line1"] == corrected["line1"]
    assert shipment["line1"] == corrected["line1"]


async def test_the_country_or_the_order_says_which_partner(
    api: Api, gateway: Gateway, pack: Pack, route: None
) -> None:
    spanish, asked_for = mint("rcp"), mint("rcp")
    path = "/v1/carrier-routes/ES"
    assert (await api("PUT", path, OWNER, {"recipient_id": spanish})).status_code == 200

    by_country, by_order = await pack(), await pack(carrier=asked_for)
    gateway.orders_status = 503
    by_default = await pack()
    gateway.has(by_default.order_id, by_default.subject_id, country="FR")
    gateway.orders_status = 200

    for packed, expected in ((by_country, spanish), (by_order, asked_for), (by_default, CARRIER)):
        shipment = await api.until(packed.order_id, "handed_over")
        assert shipment["delivery"]["recipient_id"] == expected


async def test_without_a_route_it_waits_until_there_is_one(
    api: Api, gateway: Gateway, pack: Pack
) -> None:
    packed = await pack()
    shipment = await api.until(packed.order_id, "blocked")
    assert shipment["blocked_reason"] == "no_route"
    assert shipment["delivery"] is None

    await api("PUT", "/v1/carrier-routes/ES", OWNER, {"recipient_id": CARRIER})
    await api("POST", f"/v1/shipments/{shipment['id']}/dispatch", DISPATCHER)

    await api.until(packed.order_id, "handed_over")


async def test_another_partner_gets_another_delivery_id(
    api: Api, gateway: Gateway, pack: Pack, route: None
) -> None:
    gateway.outcomes = [{"outcome": "gone", "status": 410, "reason": "endpoint_gone"}]
    packed = await pack()
    shipment = await api.until(packed.order_id, "blocked")
    other = mint("rcp")

    await api("PUT", "/v1/carrier-routes/ES", OWNER, {"recipient_id": other})
    await api("POST", f"/v1/shipments/{shipment['id']}/dispatch", DISPATCHER)

    handed_over = await api.until(packed.order_id, "handed_over")
    assert handed_over["delivery"]["recipient_id"] == other
    assert handed_over["delivery"]["id"] != shipment["delivery"]["id"]


async def test_what_a_partner_has_is_not_dispatched_again(
    api: Api, gateway: Gateway, pack: Pack, route: None
) -> None:
    packed = await pack()
    shipment = await api.until(packed.order_id, "handed_over")

    answer = await api("POST", f"/v1/shipments/{shipment['id']}/dispatch", DISPATCHER)

    assert (answer.status_code, answer.json()["code"]) == (409, "already_handed_over")
    assert len(gateway.disclosures) == 1


async def test_a_cancelled_order_is_not_sent(
    api: Api, gateway: Gateway, pack: Pack, route: None
) -> None:
    gateway.outcomes = [RETRY] * 99
    packed = await pack()
    cancelled = event("order.cancelled", order_id=packed.order_id, subject_id=packed.subject_id)

    for _ in range(2):
        assert (await api("POST", "/v1/events", ORDERS, cancelled)).status_code == 204

    shipment = await api.until(packed.order_id, "cancelled")
    answer = await api("POST", f"/v1/shipments/{shipment['id']}/dispatch", DISPATCHER)
    assert (answer.status_code, answer.json()["code"]) == (409, "shipment_cancelled")


async def test_an_event_that_names_nothing_is_refused_and_others_are_not_for_us(api: Api) -> None:
    order_id, subject_id = mint("ord"), mint("cus")
    for data in (
        {},
        {"order_id": subject_id, "subject_id": subject_id, "site": "north"},
        {"order_id": order_id, "site": "north"},
        {"order_id": order_id, "subject_id": subject_id},
        {"order_id": order_id, "subject_id": subject_id, "site": "north", "weight_grams": "0"},
        {"order_id": order_id, "subject_id": subject_id, "site": "north", "carrier": "dhl"},
    ):
        answer = await api("POST", "/v1/events", ORDERS, event("order.packed", **data))
        assert (answer.status_code, answer.json()["code"]) == (422, "incomplete_event")

    told = event("shipment.delivered", order_id=order_id)
    assert (await api("POST", "/v1/events", ORDERS, told)).status_code == 204


async def test_only_orders_may_say_that_an_order_is_packed(api: Api) -> None:
    told = event("order.packed", order_id=mint("ord"), subject_id=mint("cus"), site="north")
    other = {**ORDERS, "actor": "svc_customers"}

    for who in (other, DISPATCHER, customer(mint("cus"))):
        assert (await api("POST", "/v1/events", who, told)).status_code == 403
