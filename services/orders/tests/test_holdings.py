"""What the gateway is told of a person's orders, and what stays of them when the person goes."""

from typing import Any

import httpx

from orders.domain.holdings import FORGOTTEN_TOKEN

from .shop import Shop, customer, keyed, mint, service, staff

GATEWAY = service("privacy-gateway")
GONE = ["identity", "delivery", "payment"]
BOOKS = """
SELECT json_build_object('total', total, 'tax', tax, 'rate', tax_rate, 'currency', currency,
  'country', country, 'placed', placed_at, 'state', state,
  'lines', (SELECT json_agg(l.* ORDER BY position) FROM order_lines l WHERE l.order_id = o.id),
  'paid', (SELECT json_agg(json_build_array(amount, currency, outcome, reference))
           FROM payments p WHERE p.order_id = o.id))::text
FROM orders o WHERE id = :id
"""


async def held(shop: Shop, subject: str) -> list[dict[str, Any]]:
    answer = await shop.api.post("/v1/holdings", json={"subject_id": subject}, headers=GATEWAY)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def drop(shop: Shop, order: dict[str, Any], *classes: str, **instead: str) -> httpx.Response:
    told = {"subject_id": order["subject_id"], "scope": f"order/{order['id']}", **instead}
    body = {**told, "classes": list(classes)}
    return await shop.api.post("/v1/holdings/drops", json=body, headers=GATEWAY)


async def test_every_sealed_value_and_what_is_under_way_is_told(shop: Shop) -> None:
    order = await shop.packed(customer())

    [found] = await held(shop, order["subject_id"])

    assert found["scope"] == f"order/{order['id']}"
    assert found["in_progress"] == "order_packed"
    assert found["country"] == "DE"
    assert len(found["sealed"]) == 7
    assert found["fields"]["user.name"] == ["recipient"]
    assert await held(shop, mint("cus")) == []


async def test_what_came_back_to_us_is_not_under_way_any_more(shop: Shop) -> None:
    order = await shop.packed(customer())
    await shop.tell("shipment.in_transit", order["id"])
    [before] = await held(shop, order["subject_id"])

    await shop.tell("shipment.returned", order["id"])

    [after] = await held(shop, order["subject_id"])
    assert (before["in_progress"], after["in_progress"]) == ("order_in_transit", None)


async def test_the_person_goes_and_the_books_stay_as_they_were(shop: Shop) -> None:
    who = customer()
    headers = keyed()
    order = await shop.order(who, headers=headers)
    before = await shop.one(BOOKS, id=order["id"])

    first = await drop(shop, order, *GONE)
    again = await drop(shop, order, *GONE)

    assert first.json()["rows"] > 0
    assert again.json()["rows"] == 0
    assert await shop.one(BOOKS, id=order["id"]) == before
    [left] = await held(shop, order["subject_id"])
    assert left["sealed"] == []
    assert set(left["fields"]) == {"user.behavior.purchase_history", "user.contact.address.country"}
    requests = "SELECT count(*) FROM idempotency_keys WHERE resource_id = :id"
    assert await shop.one(requests, id=order["id"]) == 0
    cards = "SELECT brand IS NULL AND last4 IS NULL AND token = :t FROM payments WHERE order_id=:id"
    assert await shop.one(cards, id=order["id"], t=FORGOTTEN_TOKEN) is True


async def test_a_row_of_two_classes_goes_with_the_second_of_them(shop: Shop) -> None:
    order = await shop.order(customer())

    await drop(shop, order, "identity")

    [found] = await held(shop, order["subject_id"])
    assert "user.name" in found["fields"]


async def test_the_books_go_when_their_own_time_is_up(shop: Shop) -> None:
    order = await shop.order(customer())

    await drop(shop, order, *GONE, "books")

    assert await held(shop, order["subject_id"]) == []


async def test_nobody_but_the_gateway_asks_or_drops_and_nobody_elses_goes(shop: Shop) -> None:
    order = await shop.order(customer())
    told = {"subject_id": order["subject_id"], "scope": f"order/{order['id']}", "classes": GONE}

    for who in (service("customers"), customer(order["subject_id"]), staff("shop_owner", "x")):
        answer = await shop.api.post("/v1/holdings/drops", json=told, headers=who)
        assert answer.status_code == 403
    stranger = await drop(shop, order, *GONE, subject_id=mint("cus"))

    assert stranger.json()["rows"] == 0
    [found] = await held(shop, order["subject_id"])
    assert len(found["sealed"]) == 7
