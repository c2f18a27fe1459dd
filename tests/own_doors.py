"""The routes that the gateway answers itself, from the document that it publishes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from privity_contracts.ids import mint

from . import doors
from .canaries import Canaries
from .doors import Door, Json, Request, Services
from .people import Customer, Someone, Staff

OWN = "privacy-gateway"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
# What a parameter stands for where the household has no such thing.
OF_NOBODY = {"staff_id": "stf", "raise_id": "rse", "opening_id": "brk", "record_id": "rec",
             "version": "2026-11-22", "name": "delivery-request.v1.json"}  # fmt: skip


class Ids(dict[str, str]):
    def __missing__(self, name: str) -> str:
        known = OF_NOBODY.get(name, "xxx")
        return mint(known) if len(known) == 3 else known


def own_requests(
    published: Json,
    customer: Customer,
    ids: Mapping[str, str],
    staff: Staff,
    services: Services,
    canaries: Canaries,
) -> Iterator[tuple[Request, bytes | None]]:
    """One for everyone who may come to each route, and the form where it takes one.

    Nothing of them changes what the other tests need: ids in addresses are nobody's.
    """
    for path, operations in published["paths"].items():
        for method, operation in operations.items():
            if OWN not in operation["tags"]:
                continue
            door, form = _door(method, path, operation), None
            schema = _content(operation.get("requestBody"), JSON)
            if (fields := _content(operation.get("requestBody"), FORM)) is not None:
                form = urlencode(_sample(door.name, fields, canaries)).encode()
            body = None if schema is None else _sample(door.name, schema, canaries)
            # Changes go to nobody's; what is read is the household's own.
            meant = Ids(ids) if door.reads or path.startswith("/v1/my") else Ids()
            for asker in _askers(door, customer, ids, staff, services):
                meant["case_id"] = asker.path.removeprefix("/") or ids["case_id"]
                request = replace(
                    asker,
                    name=f"{door.name} ({asker.name})",
                    method=door.method,
                    path=path.format_map(meant),
                    body=body,
                    headers={} if form else {"Idempotency-Key": "canary-drive"},
                    door=door,
                )
                yield request, form


def _door(method: str, path: str, operation: Json) -> Door:
    return Door(
        method=method.upper(),
        path=path,
        purposes=tuple(operation.get("x-privity-purposes", ())),
        takes=None,
        gives=_content(operation["responses"].get("2XX"), JSON),
        idempotent=False,
    )


def _askers(
    door: Door,
    customer: Customer,
    ids: Mapping[str, str],
    staff: Staff,
    services: Services,
) -> Iterator[Request]:
    """Who asks, as a request whose path is the case that is their work."""
    yield Request("visitor", Someone(customer.who.url), "", "", role="visitor")
    yield Request("customer", customer.who, "", "", role="customer", purpose="self_service")
    yield Request("orders", services["orders"], "", "", role="service", purpose="service_operation")
    purposes = door.purposes or (("enquiries",) if "case_id" in door.path else ())
    there = "/{case_id}" if "{" in door.path else "/"
    for request in doors.requests(
        replace(door, purposes=purposes, path=there), customer, ids, staff, services
    ):
        if doors.policy().kind_of(request.role) == "staff":
            yield replace(request, name=request.role)


def _content(described: Json | None, media_type: str) -> Json | None:
    content = (described or {}).get("content", {})
    found: Json | None = content.get(media_type, {}).get("schema")
    return found


def _sample(place: str, schema: Json, canaries: Canaries, name: str = "") -> Any:
    """What fits the schema as far as its types go, with a planted value for every text."""
    options = [s for s in schema.get("anyOf", ()) if s.get("type") != "null"]
    schema = {**schema, **options[0]} if options else schema
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            members = schema.get("properties", {"anything": {"type": "string"}})
            return {key: _sample(place, member, canaries, key) for key, member in members.items()}
        case "array":
            return [_sample(place, schema.get("items", {}), canaries, name)]
        case "integer" | "number":
            return 7
        case "boolean":
            return True
        case _:
            kinds = ("name", "email", "phone", "text", "word")
            return canaries.of(f"{place} /{name}", kinds[len(name) % len(kinds)])
