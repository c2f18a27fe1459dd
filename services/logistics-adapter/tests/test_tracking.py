"""A partner's reports move its own shipments forward, whatever order they come in."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from logistics_adapter.domain.states import may_become
from logistics_adapter.models import State
from privity_contracts.ids import mint

from .conftest import CARRIER, DISPATCHER, ORDERS, Api, Gateway, Pack, Packed, customer, partner

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
EARLIER, LATER = NOON - timedelta(hours=1), NOON + timedelta(hours=1)


@pytest.fixture
async def shipment(api: Api, pack: Pack, route: None) -> dict[str, Any]:
    packed: Packed = await pack()
    return await api.until(packed.order_id, "handed_over")


def report(about: dict[str, Any], says: str, /, **changed: Any) -> dict[str, Any]:
    return {
        "type": "tracking_report",
        "event_id": mint("trk"),
        "shipment": about["id"],
        "status": says,
        "occurred_at": datetime.now(UTC).isoformat(),
        **changed,
    }


async def test_reports_move_a_shipment_forward_and_the_others_are_told(
    api: Api, gateway: Gateway, shipment: dict[str, Any], settled: Any
) -> None:
    for status in ("in_transit", "out_for_delivery", "delivered"):
        body = report(shipment, status)
        answer = await api("POST", "/v1/tracking-events", partner(CARRIER), body)
        assert answer.status_code == 204, answer.text
        assert (await api.shipment(shipment["order_id"]))["state"] == status

    found = await api.shipment(shipment["order_id"])
    assert [t["status"] for t in found["tracking"]] == [
        "in_transit",
        "out_for_delivery",
        "delivered",
    ]
    await settled(lambda: gateway.told(shipment["order_id"]), 5)
    assert set(gateway.told(shipment["order_id"])) >= {
        "shipment.in_transit",
        "shipment.out_for_delivery",
        "shipment.delivered",
    }


async def test_the_same_report_twice_and_old_news_change_nothing(
    api: Api, gateway: Gateway, shipment: dict[str, Any], settled: Any
) -> None:
    delivered, late = report(shipment, "delivered"), report(shipment, "in_transit")
    for body in (delivered, delivered, late, {**delivered, "status": "returned"}):
        answer = await api("POST", "/v1/tracking-events", partner(CARRIER), body)
        assert answer.status_code == 204

    found = await api.shipment(shipment["order_id"])
    assert found["state"] == "delivered"
    assert len(found["tracking"]) == 2
    await settled(lambda: gateway.told(shipment["order_id"]), 3)
    told = gateway.told(shipment["order_id"])
    assert told.count("shipment.delivered") == 1
    assert "shipment.in_transit" not in told


async def test_another_partner_and_an_unknown_one_learn_nothing(
    api: Api, shipment: dict[str, Any]
) -> None:
    stranger = partner(mint("rcp"))

    theirs = await api("POST", "/v1/tracking-events", stranger, report(shipment, "delivered"))
    nowhere = await api(
        "POST",
        "/v1/tracking-events",
        stranger,
        report(shipment, "delivered", shipment=mint("shp")),
    )

    assert theirs.status_code == nowhere.status_code == 404
    assert theirs.json() == nowhere.json()
    assert (await api.shipment(shipment["order_id"]))["state"] == "handed_over"


async def test_a_partner_whose_answer_was_lost_has_it_all_the_same(
    api: Api, gateway: Gateway, pack: Pack, route: None
) -> None:
    gateway.outcomes = [{"outcome": "rejected", "status": 400, "reason": "refused"}]
    packed = await pack()
    blocked = await api.until(packed.order_id, "blocked")

    body = report(blocked, "in_transit")
    assert (await api("POST", "/v1/tracking-events", partner(CARRIER), body)).status_code == 204

    found = await api.shipment(packed.order_id)
    assert (found["state"], found["blocked_reason"]) == ("in_transit", None)
    assert found["delivery"]["state"] == "accepted"


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "lost"},
        {"occurred_at": "2026-11-22T12:00:00"},
        {"occurred_at": "2999-01-01T00:00:00Z"},
        {"event_id": "Maria López"},
        {"shipment": "shp_1"},
        {"note": "left with the neighbour"},
        {"type": "letter"},
    ],
)
async def test_what_is_no_report_is_refused(
    api: Api, shipment: dict[str, Any], wrong: dict[str, Any]
) -> None:
    body = report(shipment, "delivered", **wrong)

    answer = await api("POST", "/v1/tracking-events", partner(CARRIER), body)

    assert answer.status_code == 422
    assert "Maria" not in answer.text
    assert (await api.shipment(shipment["order_id"]))["state"] == "handed_over"


async def test_only_partners_report(api: Api, shipment: dict[str, Any]) -> None:
    for who in (customer(shipment["subject_id"]), DISPATCHER, ORDERS):
        answer = await api("POST", "/v1/tracking-events", who, report(shipment, "delivered"))
        assert answer.status_code == 403


@pytest.mark.parametrize(
    ("before", "to", "occurred_at", "moves"),
    [
        ("announced", "in_transit", EARLIER, True),
        ("blocked", "delivered", EARLIER, True),
        ("handed_over", "delivered", EARLIER, True),
        ("handed_over", "handed_over", LATER, False),
        ("in_transit", "handed_over", LATER, False),
        ("in_transit", "out_for_delivery", LATER, True),
        ("in_transit", "out_for_delivery", EARLIER, False),
        ("out_for_delivery", "in_transit", LATER, False),
        ("out_for_delivery", "failed", LATER, True),
        ("out_for_delivery", "failed", EARLIER, False),
        ("failed", "out_for_delivery", LATER, True),
        ("failed", "out_for_delivery", EARLIER, False),
        ("failed", "in_transit", LATER, True),
        ("failed", "delivered", EARLIER, True),
        ("failed", "returned", LATER, True),
        ("failed", "failed", LATER, False),
        ("delivered", "returned", LATER, False),
        ("delivered", "failed", LATER, False),
        ("returned", "delivered", LATER, False),
        ("cancelled", "delivered", LATER, False),
        ("handed_over", "announced", LATER, False),
        ("handed_over", "cancelled", LATER, False),
    ],
)
def test_which_report_moves_a_shipment(
    before: str, to: str, occurred_at: datetime, moves: bool
) -> None:
    assert may_become(State(before), State(to), since=NOON, occurred_at=occurred_at) is moves
