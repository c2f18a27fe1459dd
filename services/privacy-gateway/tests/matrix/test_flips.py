"""Flip any single cell of the policy, and it is noticed.

A cell is one purpose, role and category; each is set to each other action. Either the file is
refused, or what comes out differs from what the oracle reads in the unchanged file.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from privacy_gateway.domain.contracts.answer import AnswerPlan
from privacy_gateway.domain.policy import Action, Policy, PolicyFile
from privacy_gateway.domain.policy.contradictions import contradictions
from privacy_gateway.domain.policy.file import Yield
from privacy_gateway.domain.policy.inheritance import line_of

from . import oracle
from .answers import PLAIN, Person, became, leaves, made_up

ALL_ACTIONS = [action.value for action in Action]


def flipped(file: PolicyFile, purpose: str, role: str, category: str, action: str) -> PolicyFile:
    """The file with one cell changed, as if it were written so."""
    own = file.rules.get(purpose, {})
    said = own.get(role, Yield())
    members = {
        way: tuple(c for c in getattr(said, way) if c != category)
        + ((category,) if way == action else ())
        for way in ALL_ACTIONS
    }
    rules = {**file.rules, purpose: {**own, role: Yield(**members)}}
    return file.model_copy(update={"rules": rules})


def alone(file: PolicyFile, purpose: str) -> PolicyFile:
    """The same file with this purpose and its parents alone, which is quicker to compile."""
    kept = line_of(file.purposes, purpose)
    return file.model_copy(
        update={
            "purposes": {name: file.purposes[name] for name in kept},
            "rules": {name: file.rules[name] for name in kept if name in file.rules},
        }
    )


def cells(raw: dict[str, Any], categories: list[str]) -> Iterator[tuple[str, str, str, str]]:
    """Each cell with what it says now."""
    for purpose in raw["purposes"]:
        forbidden = any(
            raw["purposes"][each].get("forbidden") for each in oracle.line(raw, purpose)
        )
        for role in raw["roles"]:
            table = None if forbidden else oracle.rule(raw, purpose, role)
            for category in categories:
                yield purpose, role, category, (table or {}).get(category, "withhold")


class Everything:
    """One answer with a value of each category, given through the engine for a role and purpose.

    Opening is left out: it gives the same plaintext whatever the policy says.
    """

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self._person = Person("cus_1", {"account": "account/cus_1"})
        for category in PLAIN:
            self._person.sealed["account/cus_1", category] = f"sealed {category}"
        self._answer = made_up(schema, self._person)
        self._leaves = {
            leaf.category: leaf for leaf in leaves(schema) if leaf.path != ("subject_id",)
        }

    def given(self, policy: Policy, purpose: str, role: str, category: str) -> str:
        plan = AnswerPlan(self._schema, policy, role=role, purpose=purpose)
        units, _ = plan.find(self._answer)
        built = plan.build(self._answer, [None] * len(units), lambda token, _: PLAIN[token[7:]])
        rule = policy.file.categories[category].model_dump()
        return became(self._leaves[category], self._answer, built, rule)


@pytest.fixture
def everything(contracts) -> Everything:
    route = next(r for r in contracts.offer.routes if r.path == "/v1/everything")
    return Everything(route.answer)


def test_every_flip_of_every_cell_is_noticed(
    raw, policy, contracts, everything, record_property
) -> None:
    file, outcomes, unnoticed = policy.file, Counter(), []
    categories = list(everything._leaves)
    for purpose, role, category, now in cells(raw, categories):
        small = alone(file, purpose)
        for action in ALL_ACTIONS:
            if action == now:
                continue
            outcomes["flips"] += 1
            changed = flipped(small, purpose, role, category, action)
            try:
                got = everything.given(Policy(changed), purpose, role, category)
            except KeyError:
                got = "stopped"  # masked without a mask: the engine would rather stop
            if got != now:
                outcomes["seen in what comes out"] += 1
            elif any(contradictions(flipped(file, purpose, role, category, action))):
                outcomes["refused with the file"] += 1
            else:
                unnoticed.append((purpose, role, category, now, action))

    record_property("flips", dict(outcomes))
    print(dict(outcomes))  # noqa: T201  # what must be shown
    assert unnoticed == []
    assert outcomes["flips"] > 20_000


def test_the_unflipped_engine_says_what_the_oracle_says(raw, policy, everything) -> None:
    for purpose, role, category, now in cells(raw, list(everything._leaves)):
        assert everything.given(policy, purpose, role, category) == now, (purpose, role, category)
