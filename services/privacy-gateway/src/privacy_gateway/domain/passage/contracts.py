"""The contracts in force, compiled once and joined with the policy."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from privacy_gateway.domain.contracts.answer import AnswerPlan
from privacy_gateway.domain.contracts.document import Route, Schema, routes
from privacy_gateway.domain.contracts.gaps import gaps
from privacy_gateway.domain.contracts.request import Errors, RequestPlan, Rules
from privacy_gateway.domain.contracts.scalar import Check, Unsupported, compile_scalar
from privacy_gateway.domain.contracts.table import RoutingTable
from privacy_gateway.domain.intake.address import FIELDS, normalise_address
from privacy_gateway.domain.intake.normalise import BadValue, Invalid, normalise
from privacy_gateway.domain.policy import Policy, PolicyGap


class Contracts:
    """Raises PolicyGap, naming every gap, when contracts and policy do not meet."""

    def __init__(
        self,
        documents: Mapping[str, Mapping[str, Any]],
        policy: Policy,
        *,
        own_paths: frozenset[str] = frozenset(),
    ) -> None:
        """`own_paths`: what the gateway answers itself, and services only hear from it."""
        self.policy = policy
        offered = [
            route
            for service, document in documents.items()
            for route in routes(service, document)
            if route.path not in own_paths and not _internal(route)
        ]
        found = gaps(offered, policy)
        rules = _rules(policy)
        self._requests: dict[Route, RequestPlan] = {}
        self._parameters: dict[Route, tuple[dict[str, Check], dict[str, Check]]] = {}
        for route in offered:
            try:
                if route.request is not None:
                    self._requests[route] = RequestPlan(route.request, rules)
                self._parameters[route] = _parameters(route)
            except Unsupported as exc:
                found.append(f"{route.service}: {route.name}: cannot check {exc}")
        try:
            self.table = RoutingTable(offered)
        except ValueError as exc:
            found.append(str(exc))
        if found:
            raise PolicyGap(found)
        self.routes = tuple(offered)
        self._answers: dict[tuple[Route, str, str, frozenset[str] | None], AnswerPlan] = {}

    def request(self, route: Route) -> RequestPlan | None:
        return self._requests.get(route)

    def parameters(self, route: Route) -> tuple[dict[str, Check], dict[str, Check]]:
        """Checks for the path's and the query's parameters."""
        return self._parameters[route]

    def answer(
        self, route: Route, *, role: str, purpose: str, only: frozenset[str] | None
    ) -> AnswerPlan | None:
        """The plan is kept under everything that it depends on."""
        if route.answer is None:
            return None
        key = (route, role, purpose, only)
        plan = self._answers.get(key)
        if plan is None:
            plan = AnswerPlan(route.answer, self.policy, role=role, purpose=purpose, only=only)
            if only is None:  # narrowed grants are too many kinds to keep
                self._answers[key] = plan
        return plan

    def reading_route(self, service: str, path: str) -> Route:
        """The route of `service` that reads a resource. Raises KeyError."""
        for route in self.routes:
            if (route.service, route.method, route.path) == (service, "GET", path):
                return route
        raise KeyError(f"{service} has no route GET {path}")


def load_documents(paths: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    return {name: orjson.loads(path.read_bytes()) for name, path in paths.items()}


def _internal(route: Route) -> bool:
    """Routes that services offer to the gateway alone: events and partners' callbacks."""
    return route.purposes == ("internal",)


def _rules(policy: Policy) -> Rules:
    sealed: dict[str, Callable[[str], str]] = {
        name: partial(_normalised, rule.validator)
        for name, rule in policy.file.categories.items()
        if rule.sealed and rule.validator is not None
    }
    return Rules(sealed=sealed, groups={"address": _address})


def _normalised(validator: str, value: str) -> str:
    try:
        return normalise(validator, value)
    except BadValue as exc:
        raise ValueError(exc.code) from None


def _address(built: dict[str, Any], path: str) -> Errors:
    try:
        whole = normalise_address({name: built.get(name) for name in FIELDS})
    except Invalid as exc:
        return [(f"{path}{pointer}", code) for pointer, code in exc.errors]
    for name in FIELDS:
        if built.get(name) is not None:
            built[name] = whole[name]
    return []


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
