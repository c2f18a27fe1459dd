"""Where in a service's OpenAPI document a gap of its contract stands."""

import re
from collections.abc import Mapping
from typing import Any

from privacy_gateway.domain.policy.gap import Gap
from privacy_gateway.domain.policy.places import Located, Place

_STEP = re.compile(r"\[\]|[^.\[\]]+")


def line_of(document: Located, gap: Gap) -> int:
    """The line of what the gap's place names: (service, route, where in it)."""
    method, _, path = str(gap.place[1]).partition(" ") if len(gap.place) > 1 else ("", "", "")
    place: Place = ("paths", path, method.lower())
    if len(gap.place) < 3:
        return document.line(place)
    where = str(gap.place[2])
    if where == "purposes":
        return document.line((*place, "x-privity", "purposes"))
    side, *steps = _STEP.findall(where)
    if side == "request":
        place = (*place, "requestBody", "content", "application/json", "schema")
    elif side == "answer":
        status = _success(_at(document.content, place))
        place = (*place, "responses", status, "content", "application/json", "schema")
    else:
        return document.line((*place, "parameters"))
    for step in steps:
        place = _schema(document.content, place)
        place = (*place, "items") if step == "[]" else (*place, "properties", step)
    return document.line(place)


def _success(operation: Any) -> str:
    responses = operation.get("responses", {}) if isinstance(operation, Mapping) else {}
    return next((status for status in responses if str(status).startswith("2")), "200")


def _schema(document: Any, place: Place) -> Place:
    """The place of the schema itself, past references and the choice between it and null."""
    for _ in range(8):
        node = _at(document, place)
        if not isinstance(node, Mapping):
            break
        if "$ref" in node:
            place = tuple(str(node["$ref"]).removeprefix("#/").split("/"))
        elif "anyOf" in node:
            options = enumerate(node["anyOf"])
            chosen = next((n for n, option in options if option.get("type") != "null"), 0)
            place = (*place, "anyOf", chosen)
        else:
            break
    return place


def _at(document: Any, place: Place) -> Any:
    node = document
    for step in place:
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            return None
    return node
