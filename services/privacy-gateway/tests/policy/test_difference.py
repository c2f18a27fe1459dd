"""What changes between two versions is said in plain words, and nothing changes unsaid."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from privacy_gateway.domain.policy import Policy, load
from privacy_gateway.domain.policy.difference import difference

Write = Callable[..., Path]
STREET = "user.contact.address.street"


@pytest.fixture
def changes(write: Write) -> Callable[..., list[tuple[str, str]]]:
    def between(change: Callable[[dict[str, Any]], object]) -> list[tuple[str, str]]:
        old, new = Policy(load(write("2026-01-01"))), Policy(load(write("2026-02-01", change)))
        return [(found.direction, found.says) for found in difference(old, new)]

    return between


def test_nothing_changes_between_a_version_and_itself(changes) -> None:
    assert changes(lambda f: None) == []


@pytest.mark.parametrize(
    ("change", "direction", "says"),
    [
        (
            lambda f: f["rules"]["enquiries"]["support_1"]["mask"].remove(STREET),
            "less",
            "support_1 can no longer see the street for enquiries",
        ),
        (
            lambda f: f["rules"]["warehousing"]["warehouse"]["mask"].append(STREET),
            "more",
            "warehouse can now see the street masked for warehousing",
        ),
        (
            lambda f: f["rules"]["warehousing"]["warehouse"]["reveal"].append(STREET),
            "more",
            "warehouse can now see the street for warehousing",
        ),
        (
            lambda f: (
                f["rules"]["warehousing"]["warehouse"].pop("mask"),
                f["rules"]["warehousing"]["warehouse"]["reveal"].append("user.name"),
            ),
            "more",
            "warehouse now sees the name in full instead of masked for warehousing",
        ),
        (
            lambda f: f["rules"]["returns"].pop("warehouse"),
            "less",
            "warehouse can no longer ask for returns",
        ),
        (
            lambda f: f["rules"]["service_operation"]["service"]["carry"].remove("user.name"),
            "less",
            "service can no longer carry the name for service_operation",
        ),
        (
            lambda f: f["recipients"]["delivery"]["allow"].remove("user.contact.phone_number"),
            "less",
            "recipients for delivery may no longer be given the phone number",
        ),
        (
            lambda f: f["retention"]["delivery"].update(keep="P30D"),
            "other",
            "delivery is kept for 30 days after order_ended (before: 90 days after order_ended)",
        ),
        (
            lambda f: f["retention"]["books"]["countries"]["DE"].update(keep="P9Y"),
            "other",
            "retention.books.countries.DE.keep: P9Y (before: P8Y)",
        ),
        (
            lambda f: f["notice"]["clauses"].update({"C7.1": "Write to us."}),
            "other",
            "C7.1 reads now: Write to us.",
        ),
        (
            lambda f: (
                f["purposes"]["newsletter"].update(forbidden=True),
                f["rules"].pop("newsletter"),
            ),
            "less",
            "newsletter is forbidden",
        ),
        (
            lambda f: f["purposes"]["enquiries"].update(cases=["enquiry", "complaint"]),
            "more",
            "a case about complaint now serves for enquiries",
        ),
        (
            lambda f: f["purposes"]["returns"].update(work=["case", "site"]),
            "less",
            "an order no longer serves for returns",
        ),
        (
            lambda f: f["limits"]["budgets"]["default"].update(base=61),
            "other",
            "limits.budgets.default.base: 61 (before: 60)",
        ),
        (
            lambda f: f["trust"]["orders"]["publishes"].append("order.eaten"),
            "other",
            "trust.orders.publishes: order.packed, order.delivered, order.returned,"
            " order.cancelled, order.refunded, order.eaten (before: order.packed,"
            " order.delivered, order.returned, order.cancelled, order.refunded)",
        ),
    ],
)
def test_each_change_is_a_sentence(changes, change, direction: str, says: str) -> None:
    assert (direction, says) in changes(change)


def test_what_a_sub_purpose_inherits_changes_with_its_parent(changes) -> None:
    found = changes(lambda f: f["rules"]["enquiries"]["support_1"]["mask"].remove(STREET))

    assert ("less", "support_1 can no longer see the street for complaints") in found
    assert len(found) == 2


def leaves(node: Any, place: tuple = ()) -> Any:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, (*place, key))
    elif not isinstance(node, list):
        yield place


def test_no_value_in_the_file_changes_unsaid(raw) -> None:
    """Flips each number, switch and text of the file, as far as the file's shape allows."""
    from pydantic import ValidationError

    from privacy_gateway.domain.policy.file import PolicyFile
    from privacy_gateway.domain.policy.loading import with_inherited

    old, tried = Policy(PolicyFile.model_validate(with_inherited(raw))), 0
    for place in leaves(raw):
        *above, last = place
        holder = raw
        for step in above:
            holder = holder[step]
        before = holder[last]
        holder[last] = {bool: lambda v: not v, int: lambda v: v + 1, float: lambda v: v + 0.5}.get(
            type(before), lambda v: f"{v}x" if isinstance(v, str) else v
        )(before)
        try:
            changed = PolicyFile.model_validate(with_inherited(raw))
        except ValidationError:
            continue  # not one of the values that may stand here
        finally:
            holder[last] = before
        if place[0] in {"version", "in_force_from"}:
            continue
        tried += 1
        assert difference(old, Policy(changed)), place

    assert tried > 200
