"""The contract that clients see: values in the clear, as the gateway takes and gives them."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from privacy_gateway.domain.contracts.document import Route, Schema, nullable

_INSIDE = re.compile(r"x-privity-(kind|from|carry|works-on|subject|scope|group)")
PROBLEM = {
    "description": "What is wrong (RFC 9457)",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}

COMPONENTS: dict[str, Any] = {
    "securitySchemes": {
        "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "service": {"type": "http", "scheme": "bearer", "description": "A service's own key"},
    },
    "schemas": {
        "Problem": {
            "type": "object",
            "required": ["type", "title", "status", "code"],
            "properties": {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "code": {"type": "string"},
                "detail": {"type": "string"},
                "instance": {"type": "string"},
                "errors": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"field": {"type": "string"}, "code": {"type": "string"}},
                    },
                },
            },
        },
        "Privacy": {
            "type": "object",
            "description": "What was given for which purpose, under which record",
            "required": ["purpose", "policy", "withheld"],
            "properties": {
                "purpose": {"type": "string"},
                "policy": {"type": "string"},
                "record": {"type": "string"},
                "records": {"type": "array", "items": {"type": "string"}},
                "masked": {"type": "array", "items": {"type": "string"}},
                "generalised": {"type": "array", "items": {"type": "string"}},
                "withheld": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["field", "reason", "how"],
                        "properties": {
                            "field": {"type": "string"},
                            "reason": {"type": "string"},
                            "how": {"type": "string"},
                        },
                    },
                },
            },
        },
    },
}


_TOKEN: dict[str, Any] = {
    "access_token": {"type": "string"},
    "token_type": {"const": "Bearer"},
    "expires_in": {"type": "integer"},
}
"""What the gateway adds where a session begins or goes on."""


def document(
    routes: Iterable[Route],
    *,
    own: Mapping[str, Mapping[str, Any]],
    title: str,
    server: str,
) -> dict[str, Any]:
    """An OpenAPI 3.1 document of every route: the forwarded ones, and the gateway's `own`."""
    paths: dict[str, dict[str, Any]] = {path: dict(said) for path, said in own.items()}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "servers": [{"url": server}],
        "paths": paths,
        "components": COMPONENTS,
    }


def _operation(route: Route) -> dict[str, Any]:
    parameters = [
        {
            "name": parameter.name,
            "in": parameter.place,
            "required": parameter.required,
            "schema": shown(parameter.schema),
        }
        for parameter in route.parameters
    ]
    if route.idempotent:
        schema = {"type": "string", "minLength": 8, "maxLength": 255}
        parameters.append(
            {"name": "Idempotency-Key", "in": "header", "required": True, "schema": schema}
        )
    operation: dict[str, Any] = {
        "operationId": operation_id(route.method, route.path),
        "tags": [route.service],
        "x-privity-purposes": list(route.purposes),
        "responses": {"default": PROBLEM, "2XX": _success(route)},
    }
    if parameters:
        operation["parameters"] = parameters
    if route.request is not None:
        content = {"application/json": {"schema": shown(route.request)}}
        operation["requestBody"] = {"required": True, "content": content}
    if "catalogue" not in route.purposes and route.answers != "session":
        operation["security"] = [{"token": []}]
    return operation


def operation_id(method: str, path: str) -> str:
    words = [w.strip("{}") for w in path.split("/") if w and w != "v1"]
    return re.sub(r"\W", "_", "_".join([method.lower(), *words]))


def _success(route: Route) -> dict[str, Any]:
    if route.answer is None:
        return {"description": "Done"}
    return {"description": "Done", "content": {"application/json": {"schema": given(route)}}}


def given(route: Route) -> dict[str, Any]:
    """The answer, as far as any caller meets it."""
    schema = shown(route.answer or {})
    if schema.get("type") == "object":
        privacy = {"$ref": "#/components/schemas/Privacy"}
        schema["properties"] = {**schema.get("properties", {}), "privacy": privacy}
        if route.answers == "session":
            schema["properties"] |= _TOKEN
        # Which members come depends on the purpose: what is withheld is absent.
        schema.pop("required", None)
    return schema


def shown(schema: Schema) -> dict[str, Any]:
    """A schema as clients meet it."""
    kept = {name: value for name, value in schema.items() if not _INSIDE.fullmatch(name)}
    if "properties" in kept:
        kept |= _object(schema)
    if "items" in kept:
        kept["items"] = shown(kept["items"])
    if "anyOf" in kept:
        kept["anyOf"] = [shown(option) for option in kept["anyOf"]]
    return kept


def _object(schema: Schema) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required = set(schema.get("required", ()))
    wanted = []
    for name, member in schema["properties"].items():
        inner, _ = nullable(member)
        source = inner.get("x-privity-from", member.get("x-privity-from"))
        if source is None:
            properties[name] = shown(member)
            public = name
        elif source in schema["properties"]:
            continue
        else:
            carried = "x-privity-carry" in inner or "x-privity-carry" in member
            category = {"x-privity-category": inner.get("x-privity-category", "")}
            properties[source] = {"type": "string"} | ({} if carried else category)
            public = source
        if name in required:
            wanted.append(public)
    return {"properties": properties, **({"required": wanted} if wanted else {})}
