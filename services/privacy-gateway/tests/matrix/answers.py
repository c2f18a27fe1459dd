"""Answers of services made up from their contracts, and what became of each field of one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import FastAPI

from privacy_gateway.domain.contracts.document import Route, nullable
from privacy_gateway.domain.policy.generalise import COARSER
from privacy_gateway.domain.policy.masks import MASKS
from privity_contracts import Category, Contract, Sealed, ids, route
from privity_contracts.ids import SubjectId

# A value of each sealed category whose forms (whole, masked, coarser) all differ.
PLAIN = {
    "user.name": "Alice Example",
    "user.contact.email": "alice@example.org",
    "user.contact.phone_number": "+493023125001",
    "user.contact.address.street": "Musterstraße 1",
    "user.contact.address.city": "Berlin",
    "user.contact.address.state": "Brandenburg",
    "user.contact.address.postal_code": "10115",
    "user.content.private": "Where is my parcel?",
}
UNDECLARED = "undeclared"


@dataclass
class Person:
    """Whose data it is, with what is sealed in each of their scopes."""

    subject: str
    scopes: dict[str, str]
    sealed: dict[tuple[str, str], str] = field(default_factory=dict)
    """(scope, category) → token."""


@dataclass(frozen=True)
class Leaf:
    path: tuple[str, ...]
    category: str
    sealed: bool
    about: bool
    """Whether it stands in something about a person; the next page's cursor does not."""


def everything(categories: dict[str, Any], purposes: list[str]) -> dict[str, Any]:
    """A contract with one route for every purpose, whose answer has a field of each category."""
    sealed = {c: rule.get("sealed", False) for c, rule in categories.items()}
    members = {
        c.replace(".", "_"): (Annotated[Sealed if sealed[c] else str, Category(c)]) for c in sealed
    }
    model = type(
        "Everything",
        (Contract,),
        {"__annotations__": {"subject_id": SubjectId, **members}, "__module__": __name__},
        subject="subject_id",
        scope="account/subject_id",
    )
    app = FastAPI()

    @app.get("/v1/everything", openapi_extra=route(purposes=purposes))
    async def get() -> model: ...  # type: ignore[valid-type]

    return app.openapi()


def leaves(schema: Any, path: tuple[str, ...] = (), *, about: bool = False) -> Iterator[Leaf]:
    inner, _ = nullable(schema)
    whole = {**schema, **inner}
    if inner.get("type") == "object" and "x-privity-category" not in inner:
        about = about or "x-privity-subject" in inner
        for name, member in inner.get("properties", {}).items():
            yield from leaves(member, (*path, name), about=about)
    elif inner.get("type") == "array":
        category = inner.get("x-privity-category")
        items = {**({"x-privity-category": category} if category else {}), **inner["items"]}
        yield from leaves(items, (*path, "[]"), about=about)
    else:
        sealed = whole.get("x-privity-kind") == "sealed"
        yield Leaf(path, whole["x-privity-category"], sealed, about)


def made_up(schema: Any, person: Person, scope: str | None = None) -> Any:
    """An answer about this person with a value for each member, and members too many."""
    inner, _ = nullable(schema)
    whole = {**schema, **inner}
    if inner.get("type") == "object" and "x-privity-category" not in inner:
        return _object(inner, person, scope)
    if inner.get("type") == "array":
        category = inner.get("x-privity-category")
        items = {**({"x-privity-category": category} if category else {}), **inner["items"]}
        return [made_up(items, person, scope)]
    if whole.get("x-privity-kind") == "sealed":
        return person.sealed[scope or f"account/{person.subject}", whole["x-privity-category"]]
    return {"integer": 7, "boolean": True, "number": 7}.get(whole.get("type", ""), "plain value")


def _object(schema: Any, person: Person, scope: str | None) -> dict[str, Any]:
    kind, _, scope_field = schema.get("x-privity-scope", "").partition("/")
    if kind:
        scope = person.scopes[kind]
    built = {n: made_up(m, person, scope) for n, m in schema.get("properties", {}).items()}
    if "x-privity-subject" in schema:
        built[schema["x-privity-subject"]] = person.subject
    if scope_field:
        built[scope_field] = (scope or "").partition("/")[2]
    return {**built, UNDECLARED: "Alice Example", "Alice": {"Example": PLAIN}}


def at(node: Any, path: tuple[str, ...]) -> Any:
    """What stands at the path; LookupError when nothing does."""
    for step in path:
        node = node[0] if step == "[]" else node[step]
    return node


def became(leaf: Leaf, answer: Any, built: Any, rule: dict[str, Any]) -> str:
    """What the caller got of one field."""
    before = at(answer, leaf.path)
    try:
        after = at(built, leaf.path)
    except (LookupError, TypeError):
        return "withhold"
    if after is None:
        return "gone"
    forms: dict[str, Callable[[str], str]] = {"reveal": lambda value: value}
    if rule.get("mask"):
        forms["mask"] = MASKS[rule["mask"]]
    if rule.get("generalise"):
        forms["generalise"] = COARSER[rule["generalise"]]
    if leaf.sealed and after == before:
        return "carry"
    plain = PLAIN[leaf.category] if leaf.sealed else before
    for action, form in forms.items():
        if after == (form(plain) if action != "reveal" else plain):
            return action
    return f"something else: {after!r}"


def keys(node: Any, path: str = "") -> Iterator[str]:
    """Every member of what was given, by its path."""
    if isinstance(node, dict):
        for name, value in node.items():
            inner = f"{path}.{name}" if path else name
            yield inner
            yield from keys(value, inner)
    elif isinstance(node, list):
        for entry in node:
            yield from keys(entry, f"{path}[]")


def read_routes(routes: tuple[Route, ...]) -> list[Route]:
    return [each for each in routes if each.answer is not None and each.answers != "session"]


def is_about_somebody(schema: Any) -> bool:
    inner, _ = nullable(schema)
    inside = [
        *inner.get("properties", {}).values(),
        *([inner["items"]] if "items" in inner else []),
    ]
    return "x-privity-subject" in inner or any(map(is_about_somebody, inside))


def new_person(kinds: set[str]) -> Person:
    prefixes = {"order": "ord", "case": "cas", "shipment": "shp"}
    subject = ids.mint("cus")
    scopes = {kind: f"{kind}/{ids.mint(prefixes.get(kind, 'ord'))}" for kind in kinds}
    return Person(subject, {**scopes, "account": f"account/{subject}"})
