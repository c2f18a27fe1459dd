"""Reading orders: one's own, those of one's work, and nobody else's."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text

from orders.api.answers import DeliveryView
from privity_contracts.ids import mint
from privity_database import Database

from .conftest import OpenShop
from .shop import CATEGORIES, VISITOR, Shop, customer, delivery, packer, service, staff, support


async def test_a_customer_lists_their_own_orders_newest_first_page_by_page(shop: Shop) -> None:
    who = customer()
    made = [(await shop.order(who))["id"] for _ in range(5)]
    await shop.order()

    seen, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await shop.api.get("/v1/orders", params=query, headers=who)).json()
        seen += [order["id"] for order in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert seen == made[::-1]


async def test_a_strangers_order_as_a_cursor_tells_nothing(shop: Shop) -> None:
    who = customer()
    await shop.order(who)
    theirs = await shop.order()

    for cursor in (theirs["id"], mint("ord")):
        answer = await shop.api.get("/v1/orders", params={"cursor": cursor}, headers=who)
        assert answer.json() == {"items": [], "next_cursor": None}


async def test_staff_list_the_orders_of_their_site_by_state(shop: Shop) -> None:
    north, south = await shop.packed(), await shop.order(to=delivery("ES"))

    async def listed(who: dict[str, str], **query: str) -> set[str]:
        answer = await shop.api.get("/v1/orders", params={"limit": "100", **query}, headers=who)
        return {order["id"] for order in answer.json()["items"]}

    assert north["id"] in await listed(packer("north"), state="packed")
    assert north["id"] not in await listed(packer("north"), state="paid")
    assert await listed(packer("north"), site="south") == set()
    assert south["id"] in await listed(packer("south"))
    assert north["id"] not in await listed(packer("south"))
    assert await listed(support(north["id"])) == {north["id"]}


async def test_nobody_lists_orders_without_being_a_customer_or_at_work(shop: Shop) -> None:
    for who in (VISITOR, staff("warehouse", "warehousing"), staff("support_1", "enquiries")):
        assert (await shop.api.get("/v1/orders", headers=who)).status_code == 403


async def test_an_order_is_read_by_its_customer_and_by_staff_at_work_on_it(shop: Shop) -> None:
    order = await shop.order()
    path = f"/v1/orders/{order['id']}"

    readers = [
        customer(order["subject_id"]),
        support(order["id"]),
        packer("north"),
        staff("support_1", "enquiries", f"order/{order['id']}"),
        service("logistics-adapter"),
    ]

    for who in readers:
        assert (await shop.api.get(path, headers=who)).json() == order


async def test_another_customers_order_looks_like_none(shop: Shop) -> None:
    order = await shop.order()

    for path in ("", "/history", "/delivery"):
        for who in (customer(), support(mint("ord")), packer("south")):
            theirs = await shop.api.get(f"/v1/orders/{order['id']}{path}", headers=who)
            none = await shop.api.get(f"/v1/orders/{mint('ord')}{path}", headers=who)

            assert (theirs.status_code, none.status_code) == (404, 404)
            assert theirs.json()["code"] == none.json()["code"]
        for who in (VISITOR, staff("support_1", "enquiries")):
            answer = await shop.api.get(f"/v1/orders/{order['id']}{path}", headers=who)
            assert answer.status_code == 403


async def test_a_delivery_is_given_as_it_was_sealed(shop: Shop) -> None:
    to = delivery("AT", line2=None, region=None)
    order = await shop.order(to=to)
    path = f"/v1/orders/{order['id']}/delivery"
    whole = {"order_id": order["id"], "subject_id": order["subject_id"], **to}

    for who in (customer(order["subject_id"]), packer("north"), service("logistics-adapter")):
        answer = await shop.api.get(path, headers=who)

        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == whole
    assert (await shop.api.get("/v1/orders/ord_1/delivery", headers=VISITOR)).status_code == 422


async def test_a_database_that_takes_nobody_in_is_said_to_be_away_until_it_does(
    a_shop: OpenShop,
) -> None:
    async with a_shop() as shop:
        order = await shop.order()
        path = f"/v1/orders/{order['id']}/delivery"
        who = customer(order["subject_id"])

        async with closed_doors(shop):
            away = await shop.api.get(path, headers=who)
        back = await shop.api.get(path, headers=who)

    assert (away.status_code, away.json()["code"]) == (503, "database_unavailable")
    assert back.status_code == 200


@asynccontextmanager
async def closed_doors(shop: Shop) -> AsyncIterator[None]:
    """The database keeps who is in and takes nobody else."""
    owner = Database(shop.urls.owner, pool_size=1)
    limit = f"ALTER DATABASE {shop.urls.name} CONNECTION LIMIT"
    async with owner.transaction() as tx:
        await tx.execute(text(f"{limit} 0"))
    try:
        yield
    finally:
        async with owner.transaction() as tx:
            await tx.execute(text(f"{limit} -1"))
        await owner.dispose()


async def test_the_delivery_has_exactly_the_fields_that_the_contract_promises(
    shop: Shop,
) -> None:
    order = await shop.order()
    answer = await shop.api.get(
        f"/v1/orders/{order['id']}/delivery", headers=customer(order["subject_id"])
    )

    assert set(answer.json()) == set(DeliveryView.model_fields)
    DeliveryView.model_validate_json(answer.content)


async def test_an_order_itself_holds_no_sealed_value(shop: Shop) -> None:
    order = await shop.order()
    answer = await shop.api.get(f"/v1/orders/{order['id']}", headers=customer(order["subject_id"]))

    assert "s1:" not in answer.text


async def test_a_history_tells_customers_roles_and_staff_who(shop: Shop) -> None:
    order = await shop.order()
    verifier = support(order["id"])
    await shop.step(order, "confirmation", verifier)
    path = f"/v1/orders/{order['id']}/history"

    mine = (await shop.api.get(path, headers=customer(order["subject_id"]))).json()
    theirs = (await shop.api.get(path, headers=support(order["id"]))).json()

    assert [(c["what"], c["role"], c["actor"]) for c in mine["items"]] == [
        ("placed", "customer", order["subject_id"]),
        ("paid", "service", None),
        ("confirmed", "support_1", None),
    ]
    assert theirs["items"][2]["actor"] == verifier["Privity-Actor"]
    assert all(re.fullmatch(r"\d{4}-.*Z", change["at"]) for change in mine["items"])


async def test_a_dump_of_the_database_holds_nobody_who_can_be_read(shop: Shop) -> None:
    to = delivery()
    await shop.order(to=to)

    rows = await dump(shop)

    assert any(str(to["recipient"]) in row for row in rows)
    for field in CATEGORIES:
        holders = [row for row in rows if f'"{field}":' in row]
        assert holders
        only_sealed = rf'"{field}":(?:null|"s1:key_[0-9a-z]{{26}}:[a-z_.]+:[A-Za-z0-9_-]+")'
        assert all(re.search(only_sealed, row) for row in holders)
    # What our programs made themselves may look like anything: sealed values, ids, hashes.
    made = re.compile(r"s1:[^\"]+|[a-z]{3}_[0-9a-z]{20,26}|\\\\x[0-9a-f]+")
    for row in rows:
        assert not re.search(r"[\w.]+@[\w.]+|[0-9]{13}", made.sub("", row)), row


async def dump(shop: Shop) -> list[str]:
    """Every row of every table, as the service's own role sees it."""
    tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    rows: list[str] = []
    async with shop.database.transaction() as tx:
        for table in (await tx.scalars(text(tables))).all():
            whole = f"SELECT row_to_json({table})::text FROM {table}"  # noqa: S608  # our own
            rows += (await tx.scalars(text(whole))).all()
    return rows
