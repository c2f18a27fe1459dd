"""What binds staff beside their purposes is in the file, and a gap in it is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from privacy_gateway.domain.policy import PolicyGap, load

POLICY = sorted((Path(__file__).parents[2] / "policy").glob("*.yaml"))[-1]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda f: f["purposes"]["enquiries"].pop("work"), "no kind of work ties staff to it"),
        (lambda f: f["purposes"]["enquiries"].update(work=["none"]), "alone goes without work"),
        (lambda f: f["purposes"]["break_glass"].update(work=["shop"]), "alone goes without work"),
        (lambda f: f["purposes"]["delivery"].update(work=["street"]), "purposes.delivery.work"),
        (lambda f: f["limits"].pop("break_glass"), "limits.break_glass is missing"),
        (lambda f: f["limits"]["break_glass"].update(minutes=61), "limits.break_glass.minutes"),
        (lambda f: f["limits"]["break_glass"].update(review_days=4), "review_days"),
        (lambda f: f["limits"]["break_glass"].update(reasons={}), "limits.break_glass.reasons"),
        (
            lambda f: f["limits"]["budgets"]["roles"].update(customer={"base": 1, "factor": 0}),
            "customer is no role of staff",
        ),
        (lambda f: f["limits"]["budgets"].pop("default"), "limits.budgets.default"),
        (lambda f: f.pop("limits"), "limits"),
    ],
)
def test_each_gap_is_named(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], named: str
) -> None:
    content = yaml.safe_load(POLICY.read_text())
    change(content)
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(content))

    with pytest.raises(PolicyGap) as caught:
        load(path)

    assert any(named in str(gap) for gap in caught.value.gaps), caught.value.gaps


def test_a_role_without_an_allowance_of_its_own_has_the_default() -> None:
    budgets = load(POLICY).limits.budgets

    assert budgets.of("warehouse") != budgets.default
    assert budgets.of("auditor") == budgets.default
