"""What is held about people, why, and until when: from the file that is enforced (C5.1)."""

from collections.abc import Iterator
from typing import Any

from privacy_gateway.domain.contracts.document import Route, Schema, nullable
from privacy_gateway.domain.passage.contracts import Contracts
from privacy_gateway.domain.policy import Policy, words
from privacy_gateway.domain.policy.file import NOT_PERSONAL


def catalogue(contracts: Contracts) -> list[dict[str, Any]]:
    policy = contracts.policy
    asked, told = (
        _where(contracts.offer.routes, "request"),
        _where(contracts.offer.routes, "answer"),
    )
    return [
        {
            "id": name,
            "label": rule.label,
            "held_by": sorted({route.service for route, _ in [*asked(name), *told(name)]}),
            "sealed": rule.sealed,
            "kept": _kept(policy, rule.retention_class),
            "collected_at": [f"{route.name} {field}" for route, field in asked(name)],
            "why": list(_why(policy, name)),
            "given_to": [k for k, kind in policy.file.recipients.items() if name in kind.allow],
        }
        for name, rule in policy.file.categories.items()
        if name != NOT_PERSONAL
    ]


def _kept(policy: Policy, kept: str) -> dict[str, str]:
    rule = policy.file.retention[kept]
    return {
        "class": kept,
        "for": rule.keep,
        "after": rule.clock,
        "until": f"{words.duration(rule.keep)} after {rule.clock.replace('_', ' ')}",
        "ground": rule.ground,
    }


def _why(policy: Policy, category: str) -> Iterator[dict[str, Any]]:
    for name, purpose in policy.file.purposes.items():
        who = {
            role: policy.table(role, name)[category].value
            for role in policy.file.roles
            if category in policy.table(role, name)
        }
        if who:
            yield {
                "purpose": name,
                "label": purpose.label,
                "lawful_basis": purpose.basis,
                "clauses": purpose.clauses,
                "needs_consent": policy.consents(name),
                "roles": who,
            }


def _where(routes: tuple[Route, ...], side: str) -> Any:
    found: dict[str, list[tuple[Route, str]]] = {}
    for route in routes:
        for category, field in _fields(getattr(route, side) or {}, ""):
            found.setdefault(category, []).append((route, field))
    return lambda category: found.get(category, [])


def _fields(schema: Schema, path: str) -> Iterator[tuple[str, str]]:
    inner, _ = nullable(schema)
    category = inner.get("x-privity-category", schema.get("x-privity-category"))
    if category is not None:
        yield category, path
        return
    for name, member in inner.get("properties", {}).items():
        source = member.get("x-privity-from", nullable(member)[0].get("x-privity-from"))
        yield from _fields(member, f"{path}.{source or name}".lstrip("."))
    if "items" in inner:
        yield from _fields(inner["items"], f"{path}[]")
