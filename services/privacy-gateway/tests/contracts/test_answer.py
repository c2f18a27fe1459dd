"""What a caller gets out is built from what is allowed."""

from typing import Any

import pytest

from privacy_gateway.domain.contracts.answer import AnswerPlan
from privacy_gateway.domain.contracts.document import routes
from privacy_gateway.domain.contracts.shape import NotAsPromised
from privacy_gateway.domain.policy import Policy

TOKEN = "s1:key_01hzzzzzzzzzzzzzzzzzzzzzzz:user.name:" + "A" * 44


def an_order(**changes: Any) -> dict[str, Any]:
    return {
        "id": "ord_1",
        "subject_id": "cus_1",
        "lines": [{"product": "prd_1", "quantity": 2}],
        "delivery": {
            "recipient": TOKEN,
            "phone": None,
            "line1": TOKEN,
            "line2": None,
            "city": TOKEN,
            "postal_code": TOKEN,
            "country": "DE",
        },
    } | changes


@pytest.fixture
def plan(shop_contract: dict[str, Any], policy: Policy) -> Any:
    def make(name: str, role: str, purpose: str, only: frozenset[str] | None = None) -> AnswerPlan:
        found = next(r for r in routes("shop", shop_contract) if r.name == name)
        assert found.answer is not None
        return AnswerPlan(found.answer, policy, role=role, purpose=purpose, only=only)

    return make


def build(plan: AnswerPlan, answer: Any) -> dict[str, Any]:
    units, _ = plan.find(answer)
    return plan.build(answer, list(range(len(units))), lambda token, receipt: "Alice Example")


def test_a_customer_gets_their_own_in_the_clear(plan: Any) -> None:
    own = plan("GET /v1/orders/{order_id}", "customer", "self_service")

    built = build(own, an_order())

    assert built["delivery"]["recipient"] == "Alice Example"
    assert built["lines"] == [{"product": "prd_1", "quantity": 2}]
    assert own.withheld == ()


def test_support_gets_it_masked_and_is_told_what_is_withheld(plan: Any) -> None:
    support = plan("GET /v1/orders/{order_id}", "support_1", "enquiries")

    built = build(support, an_order())

    assert built["delivery"]["recipient"].startswith("A•")
    assert "Example" not in str(built)
    assert "delivery.recipient" in support.said["masked"]


def test_a_purpose_without_a_rule_yields_nothing(plan: Any) -> None:
    for role, purpose in [("support_1", "marketing"), ("warehouse", "enquiries"), ("nobody", "x")]:
        nothing = plan("GET /v1/orders/{order_id}", role, purpose)

        assert build(nothing, an_order()) == {}


def test_a_member_that_the_contract_does_not_declare_has_no_way_out(plan: Any) -> None:
    own = plan("GET /v1/orders/{order_id}", "customer", "self_service")

    built = build(own, an_order(note="Alice", delivery=an_order()["delivery"] | {"hint": "x"}))

    assert "note" not in built
    assert "hint" not in built["delivery"]


def test_each_person_in_a_list_is_a_unit_of_its_own(plan: Any) -> None:
    page = plan("GET /v1/orders", "customer", "self_service")
    answer = {"items": [an_order(), an_order(subject_id="cus_2", id="ord_2")]}

    units, tokens = page.find(answer)

    assert [(u.subject, u.scope) for u in units] == [
        ("cus_1", "order/ord_1"),
        ("cus_2", "order/ord_2"),
    ]
    assert len(tokens) == 8


def test_the_record_names_every_personal_field_with_its_decision(plan: Any) -> None:
    support = plan("GET /v1/orders/{order_id}", "support_1", "enquiries")

    units, _ = support.find(an_order())

    decisions = {field.name: field.decision for field in units[0].unit.fields}
    assert decisions["delivery.recipient"] == "mask"
    assert decisions["delivery.country"] == "reveal"
    assert decisions["lines[].quantity"] == "reveal"


def test_a_narrowed_grant_yields_the_named_categories_alone(plan: Any) -> None:
    narrow = plan(
        "GET /v1/orders/{order_id}", "support_1", "enquiries", frozenset({"user.unique_id"})
    )

    assert set(build(narrow, an_order())) == {"id", "subject_id"}


@pytest.mark.parametrize(
    "answer",
    [
        [],
        "text",
        an_order(subject_id=None),
        an_order(lines={"product": "prd_1"}),
        an_order(delivery="Alice Example"),
        an_order(delivery=an_order()["delivery"] | {"recipient": {"first": "Alice"}}),
        an_order(delivery=an_order()["delivery"] | {"country": ["DE"]}),
    ],
)
def test_an_answer_of_another_shape_is_refused_whole(plan: Any, answer: Any) -> None:
    own = plan("GET /v1/orders/{order_id}", "customer", "self_service")

    with pytest.raises(NotAsPromised):
        build(own, answer)
