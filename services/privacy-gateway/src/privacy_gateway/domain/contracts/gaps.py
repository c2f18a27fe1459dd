"""Where contracts and policy do not meet. Any gap stops the start."""

from collections.abc import Iterable, Iterator

from privacy_gateway.domain.contracts.document import Route, Schema, nullable
from privacy_gateway.domain.contracts.scalar import is_free_text
from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.policy.file import NOT_PERSONAL

_CONTAINERS = {"object", "array"}


def gaps(routes: Iterable[Route], policy: Policy) -> list[str]:
    found: list[str] = []
    for route in routes:
        found.extend(f"{route.service}: {route.name}: {gap}" for gap in _route_gaps(route, policy))
    return found


def _route_gaps(route: Route, policy: Policy) -> Iterator[str]:
    if not route.purposes:
        yield "no purposes"
    for purpose in route.purposes:
        if purpose not in policy.file.purposes:
            yield f"{purpose} is no purpose"
        elif policy.forbidden(purpose):
            yield f"{purpose} is forbidden"
    for parameter in route.parameters:
        yield from _parameter_gaps(parameter.name, parameter.place, parameter.schema, policy)
    if route.request is not None:
        yield from _schema_gaps(route.request, "request", policy, incoming=True, about=True)
        if route.scope is None and _holds_sealed(route.request):
            yield "seals values without a scope"
    if route.answer is not None:
        yield from _schema_gaps(route.answer, "answer", policy, incoming=False, about=False)


def _parameter_gaps(name: str, place: str, schema: Schema, policy: Policy) -> Iterator[str]:
    inner, _ = nullable(schema)
    if place not in {"path", "query"}:
        yield f"{place} parameter {name}: only path and query are filtered"
    category = inner.get("x-privity-category", schema.get("x-privity-category"))
    if category not in policy.file.categories:
        yield f"parameter {name}: no category"
    elif policy.category(category).sealed:
        yield f"parameter {name}: {category} does not travel in a URL"
    if is_free_text(inner):
        yield f"parameter {name}: free text does not travel in a URL"


def _schema_gaps(
    schema: Schema, path: str, policy: Policy, *, incoming: bool, about: bool
) -> Iterator[str]:
    """`about`: whether an enclosing object says whom it is about."""
    inner, _ = nullable(schema)
    kind = inner.get("type")
    if kind == "object" and "x-privity-category" not in inner:
        about = about or "x-privity-subject" in inner
        if not inner.get("properties") and incoming:
            yield f"{path}: an object without members"
        for name, member in inner.get("properties", {}).items():
            yield from _schema_gaps(
                member, f"{path}.{name}", policy, incoming=incoming, about=about
            )
    elif kind == "array":
        items = inner["items"]
        if "x-privity-category" in inner:
            items = {"x-privity-category": inner["x-privity-category"], **items}
        yield from _schema_gaps(items, f"{path}[]", policy, incoming=incoming, about=about)
    else:
        yield from _leaf_gaps({**schema, **inner}, path, policy, incoming=incoming, about=about)


def _leaf_gaps(
    schema: Schema, path: str, policy: Policy, *, incoming: bool, about: bool
) -> Iterator[str]:
    category = schema.get("x-privity-category")
    kind = schema.get("x-privity-kind")
    if category is None:
        yield f"{path}: no category"
        return
    rule = policy.file.categories.get(category)
    if rule is None:
        yield f"{path}: {category} is not in the policy"
        return
    if rule.sealed and kind not in {"sealed", "index"}:
        yield f"{path}: {category} must be sealed"
    if kind == "sealed" and not rule.sealed:
        yield f"{path}: {category} is not a sealed category"
    if kind == "index" and not rule.lookup:
        yield f"{path}: {category} has no look-up"
    if kind in {"index", "secret"} and not incoming:
        yield f"{path}: an {kind} never comes out"
    if incoming and kind is None and is_free_text(schema):
        yield f"{path}: free text that is not sealed"
    if not incoming and not about and category != NOT_PERSONAL:
        yield f"{path}: {category} in an object that does not say whom it is about"


def _holds_sealed(schema: Schema) -> bool:
    inner, _ = nullable(schema)
    if inner.get("x-privity-kind") == "sealed":
        return True
    inside = [*inner.get("properties", {}).values()]
    if "items" in inner:
        inside.append(inner["items"])
    return any(_holds_sealed(member) for member in inside)
