"""No policy and no role make a forbidden purpose yield a field; and names match exactly."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy_gateway.domain.contracts.answer import AnswerPlan
from privacy_gateway.domain.policy import Action, Policy, PolicyFile
from privacy_gateway.domain.policy.contradictions import contradictions
from privacy_gateway.domain.policy.file import Yield

from .answers import PLAIN
from .test_flips import Everything

LOOKALIKES = {"a": "а", "e": "е", "i": "і", "o": "о", "c": "с", "p": "р", "s": "ѕ"}
NAMES = ["one", "two", "three", "four", "five"]
ROLES = ["visitor", "customer", "shop_owner", "support_1", "service"]


@st.composite
def policies(draw: st.DrawFn, base: PolicyFile) -> PolicyFile:
    """Policies as somebody careless or malicious might write them: any parent, any rule."""
    template = base.purposes["enquiries"]
    categories = list(base.categories)
    purposes, rules = {}, {}
    for name in NAMES:
        purposes[name] = template.model_copy(
            update={
                "inherits": draw(st.none() | st.sampled_from([*NAMES, "nowhere"])),
                "forbidden": draw(st.booleans()),
                "needs_consent": draw(st.none() | st.just("marketing")),
            }
        )
        if draw(st.booleans()):
            rules[name] = {
                role: Yield(
                    **{
                        action.value: tuple(draw(st.lists(st.sampled_from(categories), max_size=4)))
                        for action in Action
                    }
                )
                for role in draw(st.lists(st.sampled_from(ROLES), unique=True))
            }
    return base.model_copy(update={"purposes": purposes, "rules": rules})


def is_forbidden(file: PolicyFile, name: str) -> bool:
    """Written apart from the engine: it, or anything that it is a part of."""
    seen: set[str] = set()
    while name in file.purposes and name not in seen:
        if file.purposes[name].forbidden:
            return True
        seen.add(name)
        name = file.purposes[name].inherits or ""
    return False


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_policy_and_no_role_make_a_forbidden_purpose_yield_a_field(policy, schema, data) -> None:
    file = data.draw(policies(policy.file))
    careless = Policy(file)  # past the file's own check

    for purpose in NAMES:
        if not is_forbidden(file, purpose):
            continue
        for role in [*ROLES, "admin", ""]:
            assert not careless.may(role, purpose)
            assert careless.table(role, purpose) == {}
            plan = AnswerPlan(schema, careless, role=role, purpose=purpose)
            assert plan.build({"subject_id": "cus_1"}, [], lambda token, _: PLAIN[token]) == {}
        if file.rules.get(purpose):
            assert any(gap.place == ("rules", purpose) for gap in contradictions(file))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_sub_purpose_yields_more_than_its_parent(policy, data) -> None:
    file = data.draw(policies(policy.file))
    made = Policy(file)

    order = {"withhold": 0, "mask": 1, "generalise": 1, "carry": 1, "reveal": 2}
    for name in NAMES:
        parent = file.purposes[name].inherits
        if parent is None:
            continue
        for role in ROLES:
            above = made.table(role, parent)
            for category, action in made.table(role, name).items():
                before = above.get(category, Action.WITHHOLD)
                assert action is before or order[action.value] < order[before.value]


@pytest.fixture(scope="module")
def schema(contracts) -> Any:
    return next(r.answer for r in contracts.offer.routes if r.path == "/v1/everything")


def almost(purpose: str) -> list[str]:
    """What looks like a purpose, and is none."""
    looks = "".join(LOOKALIKES.get(letter, letter) for letter in purpose)
    return [
        purpose.upper(),
        purpose.title(),
        f"{purpose} ",
        f" {purpose}",
        f"{purpose}\n",
        f"{purpose}\x00",
        f"{purpose}\u200b",
        f"{purpose},marketing",
        f"{purpose} enquiries",
        f'["{purpose}"]',
        purpose.replace("_", "-"),
        purpose.replace("_", " "),
        f"{purpose}%00",
        f"{purpose[:-1]}*",
        purpose[:-1],
        looks,
        "".join(chr(ord(letter) + 0xFEE0) if letter.isalpha() else letter for letter in purpose),
        "",
    ]


def test_purposes_match_exactly(contracts, policy) -> None:
    tried = 0
    for purpose in policy.file.purposes:
        for imitation in almost(purpose):
            if imitation in policy.file.purposes:
                continue
            tried += 1
            for role in policy.file.roles:
                assert not policy.may(role, imitation)
                assert policy.table(role, imitation) == {}
                assert not any(
                    contracts.admits(route, role=role, purpose=imitation)
                    for route in contracts.offer.routes
                )

    assert tried > 400


def test_roles_match_exactly(contracts, policy) -> None:
    for role in policy.file.roles:
        for imitation in almost(role):
            if imitation not in policy.file.roles:
                assert not any(policy.may(imitation, purpose) for purpose in policy.file.purposes)


def test_what_was_admitted_once_admits_no_imitation_later(contracts, policy) -> None:
    """The cache of decisions is kept under the names themselves."""
    route = next(r for r in contracts.offer.routes if "enquiries" in r.purposes)
    assert contracts.admits(route, role="support_1", purpose="enquiries")

    assert not contracts.admits(route, role="support_1", purpose="Enquiries")
    assert not contracts.admits(route, role="Support_1", purpose="enquiries")
    assert not contracts.admits(route, role="enquiries", purpose="support_1")


def test_a_forbidden_purpose_yields_nothing_of_everything(contracts, policy, schema) -> None:
    everything = Everything(schema)
    for purpose in ("marketing", "sale"):
        for role in policy.file.roles:
            for category in everything._leaves:
                assert everything.given(policy, purpose, role, category) == "withhold"
