"""Which members an answer may have: those that are described, of the categories that the policy
file gives to this role for this purpose. Held against the oracle of the policy's matrix, which
knows nothing of the engine.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
GATEWAY = ROOT / "services" / "privacy-gateway"
Json = dict[str, Any]

PROBLEM = {"type", "title", "status", "code", "detail", "instance", "errors"}
"""RFC 9457, with our code and what is wrong where."""
OAUTH_ERROR = {"error", "error_description"}
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


@cache
def oracle() -> ModuleType:
    path = GATEWAY / "tests" / "matrix" / "oracle.py"
    spec = importlib.util.spec_from_file_location("oracle", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def written() -> Json:
    """The policy as it stands in its file."""
    newest = max((GATEWAY / "policy").glob("*.yaml"))
    loaded: Json = yaml.safe_load(newest.read_text())
    return loaded


@cache
def allowed(role: str, purpose: str) -> frozenset[str]:
    """The categories of which this role gets something for this purpose, in whatever form."""
    rule = oracle().rule(written(), purpose, role) or {}
    return frozenset(category for category, action in rule.items() if action != "withhold")


def too_much(answer: Any, schema: Json, role: str, purpose: str) -> list[str]:
    """The members of an answer that it may not have, or whose type is another."""
    return list(_members(answer, schema, allowed(role, purpose), ""))


def _members(value: Any, schema: Json, given: frozenset[str], path: str) -> Iterator[str]:
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    whole = {**schema, **options[0]} if options else schema
    if value is None:
        return
    if isinstance(value, dict):
        properties = whole.get("properties", {})
        for name, member in value.items():
            where = f"{path}.{name}".lstrip(".")
            if name not in properties:
                yield f"{where} is not described"
            elif name == "privacy":
                yield from _privacy(member)
            else:
                yield from _members(member, properties[name], given, where)
    elif isinstance(value, list):
        for entry in value:
            yield from _members(entry, whole.get("items", {}), given, f"{path}[]")
    else:
        category = whole.get("x-privity-category")
        if category is not None and category not in given:
            yield f"{path} is {category}"
        kinds = TYPES.get(whole.get("type", ""))
        if kinds is not None and not isinstance(value, kinds):
            yield f"{path} is no {whole['type']}"


PRIVACY = {
    *("purpose", "policy", "record", "records"),
    *("masked", "generalised", "withheld"),
}


def _privacy(said: Json) -> Iterator[str]:
    yield from (f"privacy.{name} is not described" for name in said.keys() - PRIVACY)
    for each in said.get("withheld", ()):
        yield from (f"privacy.withheld.{n}" for n in each.keys() - {"field", "reason", "how"})


def wrong_in_refusal(answer: Json) -> list[str]:
    """The members of a refusal that none has."""
    known = OAUTH_ERROR if "error" in answer else PROBLEM
    inside = [key for error in answer.get("errors", ()) for key in error.keys() - {"field", "code"}]
    return sorted(answer.keys() - known) + inside
