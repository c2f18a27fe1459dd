"""What clients are told of the routes that the gateway answers itself, beside the forwarded ones.

It is told of the application that answers, so that no route is served undescribed.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts

from privacy_gateway.domain.contracts import public
from privacy_gateway.domain.contracts.document import Schema, resolved

TAG = "privacy-gateway"
# The shop's own programs call these with their own keys.
OF_SERVICES = frozenset({"/v1/events", "/v1/disclosures", "/v1/messages"})
# Anyone may ask, or shows in another way than by a token who they are.
OPEN = (
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/.well-known/",
    "/v1/deletions/receipt",
    "/v1/audit/log/checkpoint",
    "/v1/audit/log/proofs/",
    "/v1/partners/",
    "/v1/policy",
    "/v1/privacy/",
    "/v1/schemas",
    "/v1/staff/sign-in",
    "/v1/token",
)
_KEPT = ("description", "parameters", "requestBody")


def form(*required: str, **optional: Schema) -> dict[str, Any]:
    """The `openapi_extra` of a route that takes a form."""
    return taking(_text(required, optional), "application/x-www-form-urlencoded")


def json(*required: str, **optional: Schema) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads its JSON itself: members of text, and others."""
    return taking(_text(required, optional))


def taking(schema: Schema, media_type: str = "application/json") -> dict[str, Any]:
    """The `openapi_extra` of a route that reads its body itself."""
    return {"requestBody": _body(schema, media_type)}


def own(app: FastAPI, *, answers: Mapping[str, Schema]) -> dict[str, dict[str, Any]]:
    """By path and method. `answers` are the schemas of answers by path, where they are known."""
    described = app.openapi()["paths"]
    paths: dict[str, dict[str, Any]] = {}
    for route in iter_route_contexts(app.routes):
        path = (route.path or "").replace(":path}", "}")
        for method in sorted(route.methods or ()):
            said = described[path][method.lower()]
            operation = _operation(route, (method, path), said, answers.get(path))
            paths.setdefault(path, {})[method.lower()] = operation
    return paths


def _operation(
    route: RouteContext, at: tuple[str, str], said: Mapping[str, Any], answer: Schema | None
) -> dict[str, Any]:
    method, path = at
    operation: dict[str, Any] = {
        "operationId": public.operation_id(method, path),
        "tags": [TAG],
        "summary": (route.name or "").replace("_", " "),
        **{name: said[name] for name in _KEPT if name in said},
        "responses": {"default": public.PROBLEM, "2XX": _success(route, answer)},
    }
    purposes = [call.purpose for call in _calls(route.dependant) if hasattr(call, "purpose")]
    if purposes:
        operation["x-privity-purposes"] = purposes
    models = [call.body_model for call in _calls(route.dependant) if hasattr(call, "body_model")]
    for model in models:
        schema = model.model_json_schema()
        operation["requestBody"] = _body(public.shown(resolved(_whole(schema), schema)))
    if path in OF_SERVICES:
        operation["security"] = [{"service": []}]
    elif not path.startswith(OPEN):
        operation["security"] = [{"token": []}]
    return operation


def _success(route: RouteContext, answer: Schema | None) -> dict[str, Any]:
    if route.status_code == 202 and answer is None:
        return {"description": "Taken"}
    schema = answer if answer is not None else {"type": "object"}
    return {"description": "Done", "content": {"application/json": {"schema": schema}}}


def _whole(schema: Schema) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != "$defs"}


def _calls(dependant: Dependant) -> Iterator[Any]:
    for each in dependant.dependencies:
        yield each.call
        yield from _calls(each)


def _text(required: tuple[str, ...], optional: Mapping[str, Schema]) -> dict[str, Any]:
    properties = {name: {"type": "string"} for name in required} | dict(optional)
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _body(schema: Schema, media_type: str = "application/json") -> dict[str, Any]:
    return {"required": True, "content": {media_type: {"schema": schema}}}
