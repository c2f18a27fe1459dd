"""What a purpose would yield of a resource, told without yielding it."""

from collections.abc import Iterator
from dataclasses import dataclass

from privacy_gateway.domain.contracts.answer import AnswerPlan
from privacy_gateway.domain.contracts.document import Route, Schema, nullable
from privacy_gateway.domain.contracts.table import Match
from privacy_gateway.domain.passage.contracts import Contracts
from privacy_gateway.domain.policy import explanation, words
from privacy_gateway.domain.policy.actions import Action
from privacy_gateway.domain.policy.explanation import Why


@dataclass(frozen=True, slots=True)
class YieldAsked:
    """`resource` is a path, with ids or with the names of its parameters; or a kind, such as
    `order`, for every route that tells about one."""

    role: str
    purpose: str
    resource: str
    method: str = "GET"
    only: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class FieldYield:
    name: str
    category: str
    label: str
    action: Action
    why: Why | None


@dataclass(frozen=True, slots=True)
class RouteYield:
    route: str
    service: str
    refusal: Why | None
    consents: tuple[str, ...]
    work: tuple[str, ...]
    fields: tuple[FieldYield, ...]


def yields(contracts: Contracts, asked: YieldAsked) -> list[RouteYield]:
    return [_of(contracts, route, asked) for route in _routes(contracts, asked)]


def _routes(contracts: Contracts, asked: YieldAsked) -> Iterator[Route]:
    method = asked.method.upper()
    if asked.resource.startswith("/"):
        same = (r for r in contracts.offer.routes if (r.method, r.path) == (method, asked.resource))
        route = next(same, None)
        found = contracts.offer.table.find(method, asked.resource)
        if route is not None:
            yield route
        elif isinstance(found, Match):
            yield found.route
        return
    for route in contracts.offer.routes:
        if route.method == method and asked.resource in set(_kinds(route.answer or {})):
            yield route


def _kinds(schema: Schema) -> Iterator[str]:
    """The kinds of things that an answer tells about."""
    inner, _ = nullable(schema)
    if "x-privity-scope" in inner:
        yield inner["x-privity-scope"].partition("/")[0]
    for member in inner.get("properties", {}).values():
        yield from _kinds(member)
    if "items" in inner:
        yield from _kinds(inner["items"])


def _of(contracts: Contracts, route: Route, asked: YieldAsked) -> RouteYield:
    policy = contracts.policy
    refusal = explanation.refusal(policy, asked.role, asked.purpose, route.purposes)
    plan: AnswerPlan | None = None
    if refusal is None:
        plan = contracts.answer(route, role=asked.role, purpose=asked.purpose, only=asked.only)
    known = policy.file.purposes.get(asked.purpose)
    return RouteYield(
        route=route.name,
        service=route.service,
        refusal=refusal,
        consents=policy.consents(asked.purpose),
        work=known.work if known and policy.kind_of(asked.role) == "staff" else (),
        fields=tuple(
            FieldYield(g.name, g.category, words.label(policy.file, g.category), g.action, g.why)
            for g in (plan.fields if plan is not None else ())
        ),
    )
