"""A policy file with a gap or a contradiction is refused, and the gap is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from privacy_gateway.domain.policy import Action, Policy, PolicyGap, load

POLICY = Path(__file__).parents[2] / "policy" / "2026-11-22.yaml"


def changed(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    file = yaml.safe_load(POLICY.read_text())
    change(file)
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(file))
    return path


def test_the_policy_in_force_has_no_gap() -> None:
    assert load(POLICY).version == "2026-11-22"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            lambda f: f["rules"].update(marketing={"support": {"reveal": ["user.name"]}}),
            "forbidden",
        ),
        (lambda f: f["purposes"]["delivery"].update(basis="none"), "no lawful basis"),
        (lambda f: f["purposes"]["delivery"].update(clauses=["C4.4"]), "clause C4.4"),
        (lambda f: f["rules"].pop("delivery"), "no rule says who gets what"),
        (lambda f: f["rules"].update(x_ray={"support": {}}), "x_ray is no purpose"),
        (lambda f: f["rules"]["delivery"].update(intern={}), "intern is no role"),
        (lambda f: f["rules"]["delivery"]["dispatch"]["reveal"].append("user.dna"), "no category"),
        (lambda f: f["rules"]["delivery"]["dispatch"]["mask"].append("user.name"), "stands twice"),
        (
            lambda f: f["rules"]["delivery"]["dispatch"]["reveal"].append(
                "user.authorization.password"
            ),
            "never comes out",
        ),
        (
            lambda f: f["rules"]["delivery"]["dispatch"].update(carry=["user.payment"]),
            "only services",
        ),
        (lambda f: f["rules"]["delivery"]["dispatch"]["mask"].append("user.payment"), "no mask"),
        (lambda f: f["categories"]["user.name"].pop("validator"), "without a validator"),
        (lambda f: f["retention"].pop("delivery"), "has no retention rule"),
        (
            lambda f: f["categories"].update(
                {"user.hobby": {"class": "identity", "label": "hobby"}}
            ),
            "no purpose needs it",
        ),
        (lambda f: f["recipients"]["delivery"]["allow"].append("user.payment"), "payment data"),
        (lambda f: f["categories"]["user.name"].update({"class": "none"}), "outside retention"),
        (lambda f: f.update(notes="x"), "notes"),
        (lambda f: f["roles"]["support"].update(kind="wizard"), "roles.support.kind"),
    ],
)
def test_each_gap_is_named(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], named: str
) -> None:
    with pytest.raises(PolicyGap) as caught:
        load(changed(tmp_path, change))

    assert any(named in gap for gap in caught.value.gaps), caught.value.gaps


def test_a_key_that_stands_twice_is_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY.read_text() + "\nretention: {}\n")

    with pytest.raises(PolicyGap, match="stands twice"):
        load(path)


def test_a_forbidden_purpose_yields_nothing_even_past_the_files_own_check() -> None:
    file = load(POLICY)
    rules = {**file.rules, "marketing": file.rules["delivery"]}

    policy = Policy(file.model_copy(update={"rules": rules}))

    assert not policy.may("dispatch", "marketing")
    assert policy.table("dispatch", "marketing") == {}


def test_purposes_and_roles_match_exactly() -> None:
    policy = Policy(load(POLICY))

    assert policy.may("dispatch", "delivery")
    for purpose in ("Delivery", "delivery ", "delivery,enquiries", "dеlivery", "", "*"):
        assert not policy.may("dispatch", purpose)


def test_what_is_not_listed_is_withheld() -> None:
    policy = Policy(load(POLICY))

    assert policy.table("warehouse", "warehousing").get("user.contact.email") is None
    assert policy.table("support", "enquiries")["user.name"] is Action.MASK
    assert "user.contact.email" in policy.preview("warehouse", "warehousing")["withhold"]
