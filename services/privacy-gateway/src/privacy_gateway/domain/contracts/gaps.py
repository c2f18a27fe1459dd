"""Where contracts and policy do not meet. Any gap stops the start."""

import re
from collections.abc import Iterable, Iterator, Mapping

from privacy_gateway.domain.contracts.document import Route, Schema, nullable
from privacy_gateway.domain.contracts.document import routes as routes_of
from privacy_gateway.domain.contracts.publication import publication_gaps
from privacy_gateway.domain.contracts.scalar import is_free_text
from privacy_gateway.domain.policy.actions import Action
from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.policy.file import NOT_PERSONAL
from privacy_gateway.domain.policy.gap import Gap, meant

CASE_WORK = "/v1/cases/{case_id}/work"
"""Where the service that holds cases tells the gateway whose work one is."""
CONSENTS = "/v1/consents/{subject_id}/state"
"""Where the gateway asks what somebody agreed to."""

_Found = Iterator[tuple[str, str, str]]
"""Where in the route, what is wrong, what to do."""


def gaps(routes: Iterable[Route], policy: Policy) -> list[Gap]:
    return [
        Gap((route.service, route.name, *([where] if where else [])), says, do)
        for route in routes
        for where, says, do in _route_gaps(route, policy)
    ]


# What stands in a record is made of these; anything else would stop the request, not the start.
_FIELD = re.compile(r"[A-Za-z0-9_.:\[\]-]+")
_PATH = re.compile(r"(/[A-Za-z0-9_.-]+|/\{[A-Za-z0-9_]+\})+")


def _route_gaps(route: Route, policy: Policy) -> _Found:
    if _PATH.fullmatch(route.path) is None:
        yield "", "its path cannot be recorded", "use letters, digits, - and _"
    if not route.purposes:
        yield "", "no purposes", "say in the route what it is for"
    for purpose in route.purposes:
        if purpose not in policy.file.purposes:
            do = meant(purpose, policy.file.purposes, "describe it in the policy")
            yield "purposes", f"{purpose} is no purpose", do
        elif policy.forbidden(purpose):
            yield "purposes", f"{purpose} is forbidden", "remove it"
    for parameter in route.parameters:
        yield from _parameter_gaps(parameter.name, parameter.place, parameter.schema, policy)
    if route.request is not None:
        yield from _schema_gaps(route.request, "request", policy, incoming=True, about=True)
        if route.scope is None and _holds_sealed(route.request):
            yield "request", "seals values without a scope", "name the route's scope"
    if route.answer is not None:
        yield from _schema_gaps(route.answer, "answer", policy, incoming=False, about=False)
    yield from publication_gaps(route)


def _parameter_gaps(name: str, place: str, schema: Schema, policy: Policy) -> _Found:
    inner, _ = nullable(schema)
    where = f"parameter {name}"
    if place not in {"path", "query"}:
        yield where, f"stands in {place}: only path and query are filtered", "move it"
    category = inner.get("x-privity-category", schema.get("x-privity-category"))
    if category not in policy.file.categories:
        yield where, "no category", "annotate it"
    elif policy.category(category).sealed:
        yield where, f"{category} does not travel in a URL", "take it in a body"
    if is_free_text(inner):
        yield where, "free text does not travel in a URL", "give it a pattern or choices"


def _schema_gaps(
    schema: Schema, path: str, policy: Policy, *, incoming: bool, about: bool
) -> _Found:
    """`about`: whether an enclosing object says whom it is about."""
    inner, _ = nullable(schema)
    kind = inner.get("type")
    if kind == "object" and "x-privity-category" not in inner:
        about = about or "x-privity-subject" in inner
        if not inner.get("properties") and incoming:
            yield path, "an object without members", "declare what it holds"
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


def _leaf_gaps(schema: Schema, path: str, policy: Policy, *, incoming: bool, about: bool) -> _Found:
    category = schema.get("x-privity-category")
    kind = schema.get("x-privity-kind")
    if category is None:
        yield path, "no category", "annotate it"
        return
    rule = policy.file.categories.get(category)
    if rule is None:
        do = meant(category, policy.file.categories, "describe it there, or do not collect it")
        yield path, f"{category} is not in the policy", do
        return
    if rule.sealed and kind not in {"sealed", "index"}:
        yield path, f"{category} must be sealed", "make it Sealed"
    if kind == "sealed" and not rule.sealed:
        yield path, f"{category} is not a sealed category", "seal it in the policy"
    if kind == "index" and not rule.lookup:
        yield path, f"{category} has no look-up", "allow it in the policy, or do not search by it"
    if kind in {"index", "secret"} and not incoming:
        yield path, f"an {kind} never comes out", "remove it from the answer"
    if incoming and kind is None and is_free_text(schema):
        yield path, "free text that is not sealed", "seal it, or give it a pattern or choices"
    if category != NOT_PERSONAL and _FIELD.fullmatch(path) is None:
        yield path, "its name cannot be recorded", "use letters, digits, - and _"
    if not incoming and not about and category != NOT_PERSONAL:
        says = f"{category} in an object that does not say whom it is about"
        yield path, says, "name the object's subject"
    if not incoming and kind is None and schema.get("type", "string") != "string":
        yield from _unlike_text(category, path, policy)


def _unlike_text(category: str, path: str, policy: Policy) -> _Found:
    """A mask and a coarser form are text: in place of a number they would change its type."""
    for purpose, role in policy.rows():
        action = policy.table(role, purpose).get(category)
        if action in {Action.MASK, Action.GENERALISE}:
            says = f"{category} is no text here, and {role} is to get it otherwise for {purpose}"
            yield path, says, "withhold it there, or give it a category of its own"
            return


def _holds_sealed(schema: Schema) -> bool:
    inner, _ = nullable(schema)
    if inner.get("x-privity-kind") == "sealed":
        return True
    inside = [*inner.get("properties", {}).values()]
    if "items" in inner:
        inside.append(inner["items"])
    return any(_holds_sealed(member) for member in inside)


def consent_gaps(documents: Mapping[str, Schema], policy: Policy) -> list[Gap]:
    """Consents that a purpose needs and nobody can give."""
    found = []
    for service, document in documents.items():
        route = next((r for r in routes_of(service, document) if r.path == CONSENTS), None)
        known = route.answer["properties"] if route is not None and route.answer else None
        for name, purpose in policy.file.purposes.items():
            wanted = purpose.needs_consent
            if known is not None and wanted is not None and wanted not in known:
                do = meant(wanted, known, f"there are {', '.join(known)}")
                place = ("purposes", name, "needs_consent")
                found.append(Gap(place, f"{wanted} is nothing that can be agreed to", do))
    return found


def case_gaps(documents: Mapping[str, Schema], policy: Policy) -> list[Gap]:
    """Kinds of cases that a purpose takes up and nobody opens, and the other way round."""
    taken = {
        (name, kind) for name, purpose in policy.file.purposes.items() for kind in purpose.cases
    }
    found = []
    for service, document in documents.items():
        route = next((r for r in routes_of(service, document) if r.path == CASE_WORK), None)
        if route is None or route.answer is None:
            continue
        kinds = route.answer["properties"]["kind"].get("enum", ())
        for name, kind in sorted(taken):
            if kind not in kinds:
                do = meant(kind, kinds, f"there are {', '.join(kinds)}")
                found.append(Gap(("purposes", name, "cases"), f"{kind} is no kind of case", do))
        for kind in kinds:
            if kind not in {kind for _, kind in taken}:
                place = (service, route.name, "answer.kind")
                do = "list it under the cases of a purpose"
                found.append(Gap(place, f"no purpose takes up a case about {kind}", do))
    return found


def trust_gaps(routes: Iterable[Route], services: Iterable[str], policy: Policy) -> list[Gap]:
    """Routes that a service is trusted to read, and nobody offers."""
    offered = {route.path for route in routes if route.method == "GET"}
    return [
        Gap(("trust", service, "reads"), f"nobody offers GET {path}", "remove it, or offer it")
        for service in services
        if service in policy.file.trust
        for path in policy.file.trust[service].reads
        if path not in offered
    ]
