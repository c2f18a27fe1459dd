"""A service's OpenAPI document, read as its contract. The gateway works from these alone."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

METHODS = ("get", "post", "put", "patch", "delete")
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    place: str  # path or query
    required: bool
    schema: Schema


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One operation of one service, its schemas free of references."""

    service: str
    method: str
    path: str
    purposes: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    request: Schema | None
    answer: Schema | None
    scope: str | None
    new: str | None
    idempotent: bool
    answers: str | None
    published: str | None = None

    name: str = field(init=False)
    """As people write it, `GET /v1/orders/{order_id}`."""
    recorded: str = field(init=False)
    """As it stands in records, which know no space."""
    placed: tuple[tuple[int, str], ...] = field(init=False)
    """Where in the path each parameter stands, counted in segments."""

    def __post_init__(self) -> None:
        segments = enumerate(self.path.split("/"))
        placed = tuple((at, part[1:-1]) for at, part in segments if part.startswith("{"))
        object.__setattr__(self, "name", f"{self.method} {self.path}")
        object.__setattr__(self, "recorded", f"{self.method}:{self.path}")
        object.__setattr__(self, "placed", placed)


def routes(service: str, document: Mapping[str, Any]) -> Iterator[Route]:
    """Raises KeyError when the document is not an OpenAPI document."""
    for path, operations in document["paths"].items():
        for method in METHODS:
            operation = operations.get(method)
            if operation is None:
                continue
            said = operation.get("x-privity", {})
            yield Route(
                service=service,
                method=method.upper(),
                path=path,
                purposes=tuple(said.get("purposes", ())),
                parameters=tuple(_parameters(operation, document)),
                request=_body(operation.get("requestBody"), document),
                answer=_answer(operation, document),
                scope=said.get("scope"),
                new=said.get("new"),
                idempotent=said.get("idempotent", False),
                answers=said.get("answers"),
                published=said.get("published"),
            )


# What the gateway itself tells a service; no client sends these.
_GATEWAYS_OWN = re.compile(r"privity-.*|idempotency-key|request-id|authorization", re.I)


def _parameters(operation: Schema, document: Schema) -> Iterator[Parameter]:
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "header" and _GATEWAYS_OWN.fullmatch(parameter["name"]):
            continue
        yield Parameter(
            name=parameter["name"],
            place=parameter["in"],
            required=parameter.get("required", False),
            schema=resolved(parameter["schema"], document),
        )


def _body(described: Schema | None, document: Schema) -> Schema | None:
    if described is None:
        return None
    return resolved(described["content"]["application/json"]["schema"], document)


def _answer(operation: Schema, document: Schema) -> Schema | None:
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            content = response.get("content", {}).get("application/json")
            schema = content.get("schema") if content else None
            return resolved(schema, document) if schema else None
    return None


def resolved(schema: Schema, document: Schema) -> dict[str, Any]:
    """The schema with its references replaced; members beside a `$ref` win over the target's.

    Raises ValueError for a recursive schema: no plan of finite size exists for it.
    """
    whole: dict[str, Any] = _resolved(schema, document, ())
    return whole


def _resolved(schema: Any, document: Schema, trail: tuple[str, ...]) -> Any:
    if isinstance(schema, list):
        return [_resolved(item, document, trail) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    members = dict(schema)
    reference = members.pop("$ref", None)
    if reference is not None:
        if reference in trail:
            raise ValueError(f"{reference} contains itself")
        target: Any = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]
        members = {**_resolved(target, document, (*trail, reference)), **members}
    return {name: _resolved(value, document, trail) for name, value in members.items()}


def nullable(schema: Schema) -> tuple[Schema, bool]:
    """The schema without its null alternative, and whether it had one."""
    options = schema.get("anyOf")
    if options is None:
        return schema, False
    others = [option for option in options if option.get("type") != "null"]
    if len(others) != 1 or len(others) == len(options):
        return schema, False
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**rest, **others[0]}, True
