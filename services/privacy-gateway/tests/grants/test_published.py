"""What is published of the API and what is served are the same routes."""

import contextlib
import re

import jsonschema_rs
import pytest
from fastapi.routing import iter_route_contexts

from privity_contracts import ids

METHODS = ("get", "post", "put", "patch", "delete")
PREFIXES = {"subject_id": "cus", "case_id": "cas", "order_id": "ord", "staff_id": "stf"}


@pytest.fixture(scope="module")
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
        (method, route.path_format) for route in own for method in route.methods
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
    # The log of records shows nobody: that it is whole, anyone may check.
    of_log = {"/v1/audit/log/checkpoint"} | {p for p in private if "/log/proofs/" in p}
    assert all("audit" not in path for path in set(private) - of_log)
    assert all("staff/{" not in path for path in private)


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


SERVICE = {"Authorization": "Bearer " + "k" * 32, "Privity-Service": "customers"}
ANOTHER_ID = f"evt_{'0' * 26}"
HOSTILE = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"Quirl"',
    b"\xff\xfe",
    b'{"id":1,"id":2}',
    b'{"id":NaN}',
    b'{"id":1e999}',
    b'{"id":"\\ud800"}',
    b'{"id":null,"type":null,"data":null,"purpose":null,"username":null}',
    b'{"id":{"Quirl":[1]},"type":[],"data":"Quirl","purpose":{},"username":[]}',
    b'{"id":"%b","type":"case.closed","occurred_at":"Quirl","data":{}}' % ANOTHER_ID.encode(),
    b'{"id":"%b","type":"case.closed","occurred_at":"2026-11-22T10:00:00Z","data":{"case_id":1}}'
    % ANOTHER_ID.encode(),
    b"[" * 2000 + b"]" * 2000,
    b'{"a":' * 500 + b"1" + b"}" * 500,
]


async def test_no_body_is_too_strange_for_a_route_of_the_gateways_own(
    gateway, published, record_figures
):
    """Whoever may ask sends nonsense, and is told so; nothing of it is said back."""
    tried, grants = 0, {}
    for (method, path), operation in described(published).items():
        if "privacy-gateway" not in operation["tags"] or "requestBody" not in operation:
            continue
        [media_type] = operation["requestBody"]["content"]
        where = re.sub(r"\{(\w+)\}", lambda m: f"{PREFIXES.get(m[1], 'xyz')}_{'0' * 26}", path)
        who = await asker(gateway, operation, grants)
        for body in HOSTILE:
            headers = {**who, "Content-Type": media_type}
            answer = await gateway.client.request(method, where, content=body, headers=headers)
            tried += 1
            # On a busy disk it may not even be looked at.
            assert answer.status_code in {*range(400, 500), 503}, (method, path, body, answer.text)
            assert "Quirl" not in answer.text, (method, path, body[:80])

    assert tried > 200
    record_figures(f"hostile bodies: {tried} at the gateway's own routes, each refused")


async def asker(gateway, operation, grants):
    """`grants` are those that were made already."""
    if operation.get("security") == [{"service": []}]:
        return SERVICE
    for purpose in operation.get("x-privity-purposes", ["audit_review"]):
        for _ in range(5):  # a busy disk: asked again
            with contextlib.suppress(AssertionError):
                grants[purpose] = grants.get(purpose) or await gateway.grant(
                    "owner", purpose, "shop"
                )
        return grants[purpose]
    return {}
