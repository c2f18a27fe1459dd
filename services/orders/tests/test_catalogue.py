"""The catalogue: anyone may look, only those who manage it may change it."""

import pytest

from .shop import SHOPKEEPER, VISITOR, Shop, customer, staff

OFFER = {
    "sku": "TEA-1",
    "title": "Tea №1, 250 g",
    "description": "",
    "category": "tea",
    "price": 990,
    "currency": "EUR",
    "stock": 5,
}


async def test_a_visitor_reads_products_page_by_page(shop: Shop) -> None:
    made = [(await shop.product(category="paged"))["id"] for _ in range(5)]

    seen, cursor = [], None
    while True:
        query = {"category": "paged", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await shop.api.get("/v1/products", params=query, headers=VISITOR)).json()
        seen += [product["id"] for product in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert seen == sorted(made)


async def test_a_product_is_read_by_its_id(shop: Shop) -> None:
    product = await shop.product(price=450)

    answer = await shop.api.get(f"/v1/products/{product['id']}", headers=customer())

    assert answer.json() == product


async def test_the_same_sku_twice_is_one_product_whose_stock_is_left_alone(shop: Shop) -> None:
    first = await shop.api.post("/v1/products", json=OFFER, headers=SHOPKEEPER)
    await shop.place(customer(), (first.json()["id"], 1))

    second = await shop.api.post("/v1/products", json=OFFER, headers=SHOPKEEPER)

    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == {**first.json(), "stock": 4}


async def test_a_sku_does_not_come_to_mean_something_else(shop: Shop) -> None:
    product = await shop.product()
    offer = {name: value for name, value in product.items() if name != "id"}

    answer = await shop.api.post(
        "/v1/products", json={**offer, "title": "Coffee"}, headers=SHOPKEEPER
    )

    assert (answer.status_code, answer.json()["code"]) == (409, "sku_taken")


async def test_price_stock_and_whether_it_is_sold_can_change(shop: Shop) -> None:
    product = await shop.product(category="withdrawn")
    path = f"/v1/products/{product['id']}"

    for _ in range(2):
        answer = await shop.api.patch(path, json={"price": 5, "stock": 7}, headers=SHOPKEEPER)
        assert answer.json() == {**product, "price": 5, "stock": 7}
    await shop.api.patch(path, json={"active": False}, headers=SHOPKEEPER)

    assert (await shop.api.get(path, headers=VISITOR)).status_code == 404
    query = {"category": "withdrawn"}
    for who, seen in ((VISITOR, 0), (SHOPKEEPER, 1)):
        page = await shop.api.get("/v1/products", params=query, headers=who)
        assert len(page.json()["items"]) == seen
    assert (await shop.api.get(path, headers=SHOPKEEPER)).json()["active"] is False
    refused = await shop.place(customer(), (product["id"], 1))
    assert (refused.status_code, refused.json()["code"]) == (422, "not_sold")


@pytest.mark.parametrize(
    "who", [VISITOR, customer(), staff("warehouse", "warehousing", "site/north")]
)
async def test_nobody_else_changes_the_catalogue(shop: Shop, who: dict[str, str]) -> None:
    product = await shop.product()

    added = await shop.api.post("/v1/products", json=OFFER, headers=who)
    changed = await shop.api.patch(f"/v1/products/{product['id']}", json={"price": 1}, headers=who)

    assert (added.status_code, changed.status_code) == (403, 403)


async def test_what_is_not_there_cannot_be_read_or_changed(shop: Shop) -> None:
    path = "/v1/products/prd_01hzzzzzzzzzzzzzzzzzzzzzzz"

    assert (await shop.api.get(path, headers=VISITOR)).status_code == 404
    answer = await shop.api.patch(path, json={"price": 1}, headers=SHOPKEEPER)
    assert answer.status_code == 404
    assert (await shop.api.patch(path, json={}, headers=SHOPKEEPER)).status_code == 422


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "write to tea@example.org"),
        ("title", "call 030 1234567"),
        ("title", "<b>Tea</b>"),
        ("title", ""),
        ("description", "x" * 1001),
        ("sku", "tea one"),
        ("category", "Tea"),
        ("price", 0),
        ("price", 9.5),
        ("currency", "XXX"),
        ("stock", -1),
        ("vendor", "somebody"),
    ],
)
async def test_a_product_that_is_not_one_is_refused(shop: Shop, field: str, value: object) -> None:
    answer = await shop.api.post("/v1/products", json={**OFFER, field: value}, headers=SHOPKEEPER)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == f"/{field}"
