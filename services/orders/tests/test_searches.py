"""Finding an order by its number."""

import pytest

from privity_contracts.ids import mint

from .shop import VISITOR, Shop, customer, packer, service, staff

FINDER = staff("support_1", "customer_search", "shop")


async def search(shop: Shop, number: str, who: dict[str, str]) -> list[dict[str, str]]:
    answer = await shop.api.post("/v1/orders/searches", json={"number": number}, headers=who)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, str]] = answer.json()["items"]
    return items


def on_case(order: dict[str, str] | None, subject: str) -> dict[str, str]:
    case = f"case/{mint('cas')}"
    scopes = [case, f"account/{subject}", *([f"order/{order['id']}"] if order else [])]
    work = {"Privity-Work-Subject": subject, "Privity-Work-Scopes": " ".join(scopes)}
    return staff("support_1", "enquiries", case) | work


async def test_an_order_is_found_by_the_number_that_its_customer_reads_out(shop: Shop) -> None:
    order = await shop.order()
    await shop.order()

    [found] = await search(shop, order["number"], FINDER)

    assert set(found) == {"id", "number", "subject_id", "state", "placed_at", "recipient"}
    assert [found[name] for name in ("id", "number", "subject_id", "state")] == [
        order[name] for name in ("id", "number", "subject_id", "state")
    ]
    assert found["recipient"].startswith("s1:")
    assert await search(shop, "P-9999999999", FINDER) == []


async def test_a_case_finds_its_own_order_and_no_other(shop: Shop) -> None:
    order, other = await shop.order(), await shop.order()
    at_work = on_case(order, order["subject_id"])

    assert [one["id"] for one in await search(shop, order["number"], at_work)] == [order["id"]]
    assert await search(shop, other["number"], at_work) == []
    without = await shop.api.post(
        "/v1/orders/searches",
        json={"number": order["number"]},
        headers=on_case(None, order["subject_id"]),
    )
    assert (without.status_code, without.json()["code"]) == (403, "work_required")


async def test_nobody_else_searches_orders(shop: Shop) -> None:
    order = await shop.order()

    for who in (
        customer(order["subject_id"]),
        service("logistics-adapter"),
        VISITOR,
        packer("north"),
        staff("support_1", "enquiries"),
    ):
        answer = await shop.api.post(
            "/v1/orders/searches", json={"number": order["number"]}, headers=who
        )
        assert answer.status_code == 403, who


@pytest.mark.parametrize("number", ["", "P-1", "P-00000000012", "p-0000000001", "4111111111111111"])
async def test_only_numbers_of_ours_are_looked_for(shop: Shop, number: str) -> None:
    answer = await shop.api.post("/v1/orders/searches", json={"number": number}, headers=FINDER)

    assert answer.status_code == 422
