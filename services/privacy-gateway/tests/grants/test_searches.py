"""Searching for whoever turns to us: a handful, masked, and each look on record."""

import orjson
import pytest

from privity_contracts import ids

EMAIL = "anna.beispiel@example.org"
CLASSES = dict.fromkeys(
    ("user.name", "user.contact.email", "user.contact.phone_number"), "identity"
)


@pytest.fixture
def a_customer(sealing):
    """A customer as the customers service holds them."""

    async def make():
        customer = ids.mint("cus")
        values = [
            ("user.name", "Anna Beispiel"),
            ("user.contact.email", EMAIL),
            ("user.contact.phone_number", "+4930123456"),
        ]
        sealed = await sealing.seal(customer, f"account/{customer}", values, classes=CLASSES)
        return {"id": customer} | dict(zip(("name", "email", "phone"), sealed, strict=True))

    return make


def found(house, service, *items):
    content = {"items": list(items)} | ({"more": False} if service == "customers" else {})
    house.says(service, f"/v1/{service}/searches", content, method="POST")


def asked(house, service):
    return [
        orjson.loads(body)
        for name, _, path, _, body in house.asked
        if (name, path) == (service, f"/v1/{service}/searches")
    ]


async def test_a_customer_is_found_masked_and_each_one_is_on_record(
    gateway, house, a_customer, sealing, records
):
    first, second = await a_customer(), await a_customer()
    found(house, "customers", first, second)
    finder = await gateway.grant("kim", "customer_search", "shop")

    answer = await gateway.post(
        "/v1/customers/searches", finder, {"email": " Anna.Beispiel@Example.org"}
    )

    assert answer.status_code == 200
    items = answer.json()["items"]
    assert [one["id"] for one in items] == [first["id"], second["id"]]
    assert "Beispiel" not in answer.text
    assert "123456" not in answer.text
    assert {"items[].name", "items[].email", "items[].phone"} == set(
        answer.json()["privacy"]["masked"]
    )
    index = await sealing.blind_index("user.contact.email", EMAIL)
    assert asked(house, "customers")[-1] == {"email_index": index}
    leaves = await records(answer)
    assert [leaf["kind"] for leaf in leaves] == ["search", "read", "read"]
    assert EMAIL not in str(leaves)


async def test_a_search_that_finds_nobody_is_on_record_too(gateway, house, records):
    found(house, "customers")
    found(house, "orders")
    finder = await gateway.grant("kim", "customer_search", "shop")

    nobody = await gateway.post("/v1/customers/searches", finder, {"phone": "+49 30 5550100"})
    nothing = await gateway.post("/v1/orders/searches", finder, {"number": "P-0000000001"})

    for answer in (nobody, nothing):
        assert answer.json()["items"] == []
        assert [leaf["kind"] for leaf in await records(answer)] == ["search"]


async def test_a_case_finds_nobody_but_its_customer_whatever_the_service_says(
    gateway, house, an_order, a_customer, records
):
    kim = (await gateway.sign_in("kim"))["staff_id"]
    order = await an_order(assignee=kim)
    found(house, "customers", await a_customer())
    at_work = await gateway.grant("kim", "enquiries", f"case/{order.case}")

    answer = await gateway.post("/v1/customers/searches", at_work, {"email": EMAIL})

    assert answer.status_code == 404
    leaves = await records(answer)
    assert [leaf["kind"] for leaf in leaves] == ["search", "refusal"]


async def test_what_is_searched_for_stays_out_of_addresses_and_other_purposes(gateway, house):
    finder = await gateway.grant("kim", "customer_search", "shop")
    packer = await gateway.grant("kim", "warehousing", "site/north")
    before = len(asked(house, "customers"))

    in_url = await gateway.get(f"/v1/customers/searches?email={EMAIL}", finder)
    by_name = await gateway.post("/v1/customers/searches", finder, {"name": "Anna Beispiel"})
    malformed = await gateway.post("/v1/customers/searches", finder, {"email": "Anna Beispiel"})
    otherwise = await gateway.post("/v1/customers/searches", packer, {"email": EMAIL})

    assert in_url.status_code == 405
    assert (by_name.status_code, malformed.status_code) == (422, 422)
    assert (otherwise.status_code, otherwise.json()["code"]) == (403, "purpose_not_allowed")
    assert len(asked(house, "customers")) == before
    for answer in (in_url, by_name, malformed):
        assert "Beispiel" not in answer.text
