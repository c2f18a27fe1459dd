"""An agreement covers what it says, while it says so, and nothing beside it."""

from datetime import UTC, date, datetime, timedelta

import pytest

from privacy_gateway.domain.recipients.agreements import NotAgreed, judge
from privacy_gateway.models import Agreement

TODAY = date(2026, 11, 22)
DAY = timedelta(days=1)
NEEDED = frozenset({"user.name", "user.contact.address.city"})


def agreement(**changes: object) -> Agreement:
    terms: dict[str, object] = {
        "id": "agr_1",
        "recipient_id": "rcp_1",
        "document_sha256": "0" * 64,
        "signed_on": TODAY - DAY,
        "valid_from": TODAY - DAY,
        "valid_until": TODAY + DAY,
        "purposes": ["delivery"],
        "categories": sorted(NEEDED),
        "days_until_purge": 30,
        "recorded_at": datetime(2026, 11, 1, tzinfo=UTC),
    }
    return Agreement(**(terms | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"valid_from": TODAY},
        {"valid_until": TODAY},
        {"signed_on": TODAY},
        {"categories": [*NEEDED, "user.contact.phone_number"]},
        {"purposes": ["warehousing", "delivery"]},
    ],
)
def test_an_agreement_in_force_covers_what_it_names(changes: dict[str, object]) -> None:
    assert judge([agreement(**changes)], purpose="delivery", categories=NEEDED, today=TODAY)


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ([], "no_agreement"),
        ([agreement(valid_from=TODAY - DAY, valid_until=TODAY - DAY)], "agreement_expired"),
        ([agreement(valid_from=TODAY + DAY)], "agreement_not_yet_valid"),
        ([agreement(signed_on=TODAY + DAY)], "agreement_not_yet_valid"),
        ([agreement(purposes=["warehousing"])], "purpose_not_agreed"),
        ([agreement(purposes=[])], "purpose_not_agreed"),
        ([agreement(categories=["user.name"])], "category_not_agreed"),
        ([agreement(categories=[])], "category_not_agreed"),
        (
            # Two halves were never signed as a whole.
            [
                agreement(categories=["user.name"]),
                agreement(categories=["user.contact.address.city"]),
            ],
            "category_not_agreed",
        ),
        (
            [agreement(valid_until=TODAY - DAY), agreement(valid_from=TODAY + DAY)],
            "agreement_not_yet_valid",
        ),
    ],
)
def test_anything_less_covers_nothing(known: list[Agreement], reason: str) -> None:
    with pytest.raises(NotAgreed) as refusal:
        judge(known, purpose="delivery", categories=NEEDED, today=TODAY)

    assert refusal.value.reason == reason


def test_a_good_agreement_among_bad_ones_is_found() -> None:
    good = agreement(id="agr_2")
    known = [agreement(valid_until=TODAY - DAY), agreement(categories=["user.name"]), good]

    assert judge(known, purpose="delivery", categories=NEEDED, today=TODAY) is good
