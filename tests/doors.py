"""Every route of the shop, from its contracts: who may ask, and a request that makes sense.

A route or a field that appears in a contract and is not understood here fails, so that nobody adds
one without thinking of what these tests ask of all of them.
"""

from __future__ import annotations

import json
import secrets
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

from privacy_gateway.domain.policy import Policy, load

from .people import PASSWORD, STEM, Customer, Someone, Staff, new_key

ROOT = Path(__file__).resolve().parents[1]
SERVICES = ("customers", "orders", "logistics-adapter")
NOT_PERSONAL = "system.operations"
OWN = "privacy-gateway"
"""What the gateway answers itself."""
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Door:
    """One route as clients see it."""

    method: str
    path: str
    purposes: tuple[str, ...]
    takes: Json | None
    gives: Json | None
    idempotent: bool
    queries: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def reads(self) -> bool:
        """A search sends what it looks for in a body, and changes nothing all the same."""
        return self.method == "GET" or self.path.endswith("/searches")

    @property
    def gives_personal(self) -> bool:
        return any(c != NOT_PERSONAL for c in _categories(self.gives))

    @property
    def takes_personal(self) -> bool:
        return any(c != NOT_PERSONAL for c in _categories(self.takes))


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What one caller asks at one door."""

    name: str
    who: Someone
    method: str
    path: str
    body: Json | None = None
    headers: Mapping[str, str] | None = None
    door: Door | None = None
    role: str = ""
    purpose: str = ""


def doors(published: Json) -> list[Door]:
    """Of the services, from the document that the gateway publishes at /openapi.json."""
    found = []
    for path, operations in published["paths"].items():
        for method, operation in operations.items():
            if OWN in operation["tags"]:
                continue
            parameters = operation.get("parameters", ())
            headers = [p["name"] for p in parameters if p["in"] == "header"]
            found.append(
                Door(
                    method=method.upper(),
                    path=path,
                    purposes=tuple(operation["x-privity-purposes"]),
                    takes=_schema(operation.get("requestBody")),
                    gives=_schema(operation["responses"].get("2XX")),
                    idempotent="Idempotency-Key" in headers,
                    queries=frozenset(p["name"] for p in parameters if p["in"] == "query"),
                )
            )
    return found


def declared() -> set[tuple[str, str, tuple[str, ...]]]:
    """What the services' committed contracts say: method, path and purposes."""
    found = set()
    for service in SERVICES:
        contract = json.loads((ROOT / "services" / service / "openapi.json").read_text())
        for path, operations in contract["paths"].items():
            for method, operation in operations.items():
                purposes = tuple(operation["x-privity"]["purposes"])
                if purposes != ("internal",):  # what services offer to the gateway alone
                    found.add((method.upper(), path, purposes))
    return found


@cache
def policy() -> Policy:
    """The newest version, read from its file as the gateway reads it."""
    return Policy(load(max((ROOT / "services" / "privacy-gateway" / "policy").glob("*.yaml"))))


@cache
def usernames() -> dict[str, str]:
    """Who has which role in the sample shop."""
    listed = tomllib.loads((ROOT / "deploy" / "staff.toml").read_text())["staff"]
    return {role: entry["username"] for entry in listed for role in entry["roles"]}


def work_for(purpose: str, username: str, ids: Mapping[str, str], *, listing: bool) -> str | None:
    """What ties one of the staff to these things for this purpose; nothing when nothing does."""
    kinds = policy().file.purposes[purpose].work
    known = {"order": f"order/{ids['order_id']}", "site": "site/north", "shop": "shop"}
    case_id = case_for(purpose, username, ids)
    if case_id is not None:
        known["case"] = f"case/{case_id}"
    # A list is of a site; with one order as work it would be a list all the same.
    preferred = ("site", "order") if listing else ("order", "site")
    wanted = [kind for kind in (*preferred, "case", "shop") if kind in kinds and kind in known]
    return known[wanted[0]] if wanted else None


def case_for(purpose: str, username: str, ids: Mapping[str, str]) -> str | None:
    """A case of theirs of a kind that this purpose takes up."""
    kinds = policy().file.purposes[purpose].cases
    theirs = (ids.get(f"{kind} of {username}") for kind in kinds)
    return next((case_id for case_id in theirs if case_id is not None), None)


def requests(
    door: Door, customer: Customer, ids: Mapping[str, str], staff: Staff, services: Services
) -> Iterator[Request]:
    """One request for everyone who may use this door."""
    for purpose, role in policy().rows():
        if not policy().serves(door.purposes, purpose):
            continue
        label = f"{role} for {purpose}"
        for name, who, theirs in _askers(door, (purpose, role), customer, ids, staff, services):
            made = _request(door, who, name or label, customer, theirs)
            yield replace(made, door=door, role=role, purpose=purpose)


def _askers(
    door: Door,
    row: tuple[str, str],
    customer: Customer,
    ids: Mapping[str, str],
    staff: Staff,
    services: Services,
) -> Iterator[tuple[str | None, Someone, Mapping[str, str]]]:
    purpose, role = row
    match policy().kind_of(role):
        case "customer":
            yield None, customer.who, ids
        case "visitor":
            yield None, Someone(customer.who.url), ids
        case "service":
            for name in SERVICES:
                yield name, services[name], ids
        case "staff":
            username = usernames()[role]
            work = work_for(purpose, username, ids, listing="{" not in door.path)
            if work is not None:
                case_id = case_for(purpose, username, ids) or ids["case_id"]
                who = staff.young_grant(username, purpose, work)
                yield None, who, {**ids, "case_id": case_id}
        case _:
            return  # partners hold no token: they sign what they report, at their own door


class Services(dict[str, Someone]):
    """The shop's own services as callers, by name."""

    @classmethod
    def of(cls, url: str, secrets_dir: Path) -> Services:
        keys = {name: (secrets_dir / f"from_{name}").read_text().strip() for name in SERVICES}
        return cls(
            {
                name: Someone(url, {"Authorization": f"Bearer {key}", "Privity-Service": name})
                for name, key in keys.items()
            }
        )


def _request(
    door: Door, who: Someone, label: str, customer: Customer, ids: Mapping[str, str]
) -> Request:
    headers = {"Idempotency-Key": new_key()} if door.idempotent else None
    body = None if door.takes is None else filled(door.takes, customer, ids)
    path = door.path.format_map(ids)
    return Request(f"{door.name} ({label})", who, door.method, path, body, headers)


def filled(schema: Json, customer: Customer, ids: Mapping[str, str]) -> Json:
    """A body that this schema takes."""
    body = _value("", schema, customer, ids)
    assert isinstance(body, dict)
    return body


def _value(name: str, schema: Json, customer: Customer, ids: Mapping[str, str]) -> Any:
    options = [s for s in schema.get("anyOf", ()) if s.get("type") != "null"]
    if options:
        schema = {**schema, **options[0]}
    if schema.get("type") == "object":
        members = schema["properties"].items()
        return {key: _value(key, member, customer, ids) for key, member in members}
    if schema.get("type") == "array":
        return [_value(name, schema["items"], customer, ids)]
    if schema.get("type") == "boolean":
        return True
    if name.endswith("_id"):
        return ids[name]
    known = _known(customer)
    if name not in known and "enum" in schema:
        return schema["enum"][0]
    assert name in known, f"no test knows what to write into the field {name!r}"
    return known[name]


def _known(customer: Customer) -> Json:
    word = customer.email[5:11]
    return {
        **{k: customer.address[k] for k in ("recipient", "line1", "line2", "city")},
        "name": f"{customer.name} the Second",
        "email": f"second.{customer.email}",
        "phone": customer.phone,
        "region": None,
        "country": "DE",
        "postal_code": "10117",
        "password": PASSWORD,
        "current": PASSWORD,
        "new": f"{PASSWORD}-changed",
        "code": "12345678",
        "refresh_token": customer.refresh_token,
        "quantity": 1,
        "token": "tok_approve",
        "result": "res_pass",
        "sku": f"DOOR-{secrets.token_hex(6).upper()}",
        "title": "A thing",
        "description": f"Seen with {word[:3]}",
        "category": "things",
        "price": 100,
        "currency": "EUR",
        "stock": 1,
        "message": f"Where is it? {STEM.capitalize()}aub",
        "content": f"Is it there yet? {STEM.capitalize()}aub",
        "policy_version": policy().version,
        "number": "P-1000000000",
        "assignee": None,
        "outcome": "withdrawn",
    }


def _schema(described: Json | None) -> Json | None:
    content = (described or {}).get("content", {})
    return cast(Json, content["application/json"]["schema"]) if content else None


def _categories(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if "x-privity-category" in schema:
            yield schema["x-privity-category"]
        for member in schema.values():
            yield from _categories(member)
    elif isinstance(schema, list):
        for member in schema:
            yield from _categories(member)
