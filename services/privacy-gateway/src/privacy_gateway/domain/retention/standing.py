"""For every field of one person: what it is, why it is held, and until when (C5.1)."""

from collections.abc import Iterator, Mapping
from typing import Any

from privacy_gateway.domain.deletion.plan import HELD, Known
from privacy_gateway.domain.policy import Policy, words
from privacy_gateway.domain.policy.file import NOT_PERSONAL
from privacy_gateway.domain.retention import holds, terms


def standing(known: Known, policy: Policy) -> list[dict[str, Any]]:
    countries = {
        holding.scope: holding.country for holding in known.holdings if holding.country is not None
    }
    return [
        field
        for holding in sorted(known.holdings, key=lambda each: each.scope)
        for category, names in sorted(holding.fields.items())
        for field in _fields(known, policy, (holding.scope, category, names), countries)
    ]


def _fields(
    known: Known,
    policy: Policy,
    held: tuple[str, str, list[str]],
    countries: Mapping[str, str],
) -> Iterator[dict[str, Any]]:
    scope, category, names = held
    rule = policy.file.categories.get(category)
    if rule is None or category == NOT_PERSONAL:
        return
    found = terms.rules(
        policy.file, rule.retention_class, scope=scope, country=countries.get(scope)
    )
    due = terms.due(found, known.clocks.get(scope, {}))
    hold = holds.covering(known.holds, known.subject, scope)
    kept = terms.kept_on_request(policy.file, rule.retention_class, scope=scope)
    for name in sorted(names):
        yield {
            "scope": scope,
            "field": name,
            "category": category,
            "label": words.label(policy.file, category),
            "class": rule.retention_class,
            "sealed": rule.sealed,
            "why": due.rule.ground if hold is None else f"{HELD}{hold.reason}",
            "until": None if hold is not None else due.at,
            "rule": " or ".join(each.says for each in found),
            "on_request": "keep" if kept else "delete",
        }
