"""What is published of the API and what is served are the same routes."""

import re

import jsonschema_rs
import pytest
from fastapi.routing import iter_route_contexts

from privity_contracts import ids

METHODS = ("get", "post", "put", "patch", "delete")
PREFIXES = {"subject_id": "cus", "case_id": "cas", "order_id": "ord", "staff_id": "stf"}


@pytest.fixture(scope="session")
async def published(gateway):
    return (await gateway.get("/openapi.json", {})).json()


def described(published):
    return {
        (method.upper(), path): operations[method]
        for path, operations in published["paths"].items()
        for method in METHODS
        if method in operations
    }


def served(gateway):
    reception = gateway.app._app
    own = iter_route_contexts(reception._own.routes)
    forwarded = reception._forwarding._contracts.offer.routes
    return {(route.method, route.path) for route in forwarded} | {
        (method, route.path) for route in own for method in route.methods
    }


async def test_every_route_that_is_served_is_described_and_the_other_way_round(
    gateway, published, record_figures
):
    told, given = set(described(published)), served(gateway)

    assert told == given
    assert ("GET", "/v1/cases/{case_id}/view") in told
    assert len(told) > 80
    record_figures(f"routes: {len(told)} described, {len(given)} served, the same")


async def test_whatever_is_described_answers_and_what_is_internal_does_not(gateway, published):
    """Asked as anybody: who may not is told so, and that there is no such address to nobody."""
    for method, path in described(published):
        where = re.sub(r"\{(\w+)\}", lambda m: f"{PREFIXES.get(m[1], 'xyz')}_{'0' * 26}", path)
        answer = await gateway.client.request(method, where)
        bare = answer.status_code == 404 and answer.json()["title"] == "Not Found"
        assert answer.status_code != 405, (method, path)
        assert not bare, (method, path, answer.text)
        assert answer.status_code != 500, (method, path, answer.text)

    for path in (f"/v1/cases/{ids.mint('cas')}/work", f"/v1/consents/{ids.mint('cus')}/state"):
        assert (await gateway.client.get(path)).status_code == 404


async def test_each_operation_says_what_it_takes_gives_and_asks_for(published):
    operations = described(published)
    names = [operation["operationId"] for operation in operations.values()]

    assert len(set(names)) == len(names)
    for (method, path), operation in operations.items():
        in_path = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", path)), path
        assert {"2XX", "default"} <= set(operation["responses"]), path
        takes = operation.get("requestBody")
        assert not (takes and method in {"GET", "DELETE"}), path
        for schema in schemas(operation):
            jsonschema_rs.meta.validate(
                {**schema, "$schema": "https://json-schema.org/draft/2020-12/schema"}
            )
    private = [path for (_, path), o in operations.items() if not o.get("security")]
    assert "/v1/cases/{case_id}/view" not in private
    assert all("audit" not in path and "staff/{" not in path for path in private)


def schemas(operation):
    for said in (operation.get("requestBody"), operation["responses"]["2XX"]):
        for content in (said or {}).get("content", {}).values():
            yield content["schema"]


async def test_the_view_of_a_case_is_described_part_by_part(published):
    view = described(published)["GET", "/v1/cases/{case_id}/view"]
    [schema] = schemas(view)

    parts = set(schema["properties"]) - {"id", "missing"}
    assert parts == {"case", "messages", "customer", "order", "delivery", "history", "shipment"}
    customer = schema["properties"]["customer"]["properties"]
    assert set(customer) == {"id", "name", "email", "phone", "privacy"}
    assert customer["name"]["x-privity-category"] == "user.name"
    assert "x-privity-kind" not in str(schema)
