"""What the gateway is told of a person's shipments, and what is emptied when the person goes."""

from typing import Any

from .conftest import DISPATCHER, Api, Gateway, Pack, customer

GATEWAY = {"caller": "service", "actor": "svc_privacy-gateway", "role": "service"}


async def held(api: Api, subject: str) -> list[dict[str, Any]]:
    answer = await api("POST", "/v1/holdings", GATEWAY, {"subject_id": subject})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_a_shipments_sealed_values_are_told_and_emptied_and_its_course_stays(
    api: Api, gateway: Gateway, pack: Pack, route: None
) -> None:
    packed = await pack()
    await api.until(packed.order_id, "handed_over")
    [before] = await held(api, packed.subject_id)
    body = {"subject_id": packed.subject_id, "scope": f"order/{packed.order_id}"}

    drops = [
        await api("POST", "/v1/holdings/drops", GATEWAY, body | {"classes": classes})
        for classes in (["identity"], ["identity", "delivery"], ["identity", "delivery"])
    ]

    assert before["in_progress"] == "shipment_handed_over"
    assert len(before["sealed"]) == 5
    assert [answer.json()["rows"] for answer in drops] == [1, 1, 0]
    [after] = await held(api, packed.subject_id)
    assert after["sealed"] == []
    assert (await api.shipment(packed.order_id, DISPATCHER))["state"] == "handed_over"


async def test_nobody_but_the_gateway_drops_and_the_books_time_ends_it_all(
    api: Api, gateway: Gateway, pack: Pack, route: None
) -> None:
    packed = await pack()
    await api.until(packed.order_id, "handed_over")
    body = {
        "subject_id": packed.subject_id,
        "scope": f"order/{packed.order_id}",
        "classes": ["identity", "delivery", "books"],
    }

    refused = await api("POST", "/v1/holdings/drops", customer(packed.subject_id), body)
    dropped = await api("POST", "/v1/holdings/drops", GATEWAY, body)

    assert refused.status_code == 403
    assert dropped.json() == {"rows": 1}
    assert await held(api, packed.subject_id) == []
