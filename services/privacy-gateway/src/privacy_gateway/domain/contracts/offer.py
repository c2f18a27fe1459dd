"""What the services offer: their routes, and checks for what stands in an address."""

from collections.abc import Mapping
from typing import Any

from privacy_gateway.domain.contracts.document import Route, Schema, routes
from privacy_gateway.domain.contracts.scalar import Check, Unsupported, compile_scalar
from privacy_gateway.domain.contracts.table import RoutingTable
from privacy_gateway.domain.policy import Gap, PolicyGap

INTERNAL = ("internal",)
"""The purpose of routes that services offer to the gateway alone."""


class Offer:
    """Holds for every version of the policy."""

    def __init__(
        self,
        documents: Mapping[str, Mapping[str, Any]],
        *,
        own_paths: frozenset[str] = frozenset(),
    ) -> None:
        """`own_paths`: what the gateway answers itself, and services only hear from it.

        Raises PolicyGap.
        """
        found = []
        self.documents = documents
        self.routes: tuple[Route, ...] = tuple(
            route
            for service, document in documents.items()
            for route in routes(service, document)
            if route.path not in own_paths and route.purposes != INTERNAL
        )
        self._parameters: dict[Route, tuple[dict[str, Check], dict[str, Check]]] = {}
        for route in self.routes:
            try:
                self._parameters[route] = _parameters(route)
            except Unsupported as exc:
                place = (route.service, route.name)
                found.append(Gap(place, f"cannot check {exc}", "describe it completely"))
        try:
            self.table = RoutingTable(self.routes)
        except ValueError as exc:
            found.append(Gap((), str(exc), "let one service answer it"))
        if found:
            raise PolicyGap(found)

    def parameters(self, route: Route) -> tuple[dict[str, Check], dict[str, Check]]:
        """Checks for the path's and the query's parameters."""
        return self._parameters[route]

    def reading_route(self, service: str, path: str) -> Route:
        """The route of `service` that reads a resource. Raises KeyError."""
        for route in self.routes:
            if (route.service, route.method, route.path) == (service, "GET", path):
                return route
        raise KeyError(f"{service} has no route GET {path}")


def _parameters(route: Route) -> tuple[dict[str, Check], dict[str, Check]]:
    path: dict[str, Check] = {}
    query: dict[str, Check] = {}
    for parameter in route.parameters:
        checks = path if parameter.place == "path" else query
        checks[parameter.name] = _from_text(parameter.schema)
    return path, query


def _from_text(schema: Schema) -> Check:
    """A parameter's check: in a URL everything is text."""
    inner = next((o for o in schema.get("anyOf", ()) if o.get("type") != "null"), None)
    if inner is not None:
        schema = {**{k: v for k, v in schema.items() if k != "anyOf"}, **inner}
    check = compile_scalar(schema)
    if schema.get("type") == "integer":
        return lambda text: (
            check(int(text)) if text.isascii() and text.isdigit() and len(text) < 16 else "int_type"
        )
    if schema.get("type") == "boolean":
        return lambda text: None if text in {"true", "false"} else "bool_type"
    return check
