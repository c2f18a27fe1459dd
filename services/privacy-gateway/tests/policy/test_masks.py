"""A mask shows enough to recognise one's own and never more than is there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy_gateway.domain.policy.masks import MASKS


@pytest.mark.parametrize(
    ("mask", "value", "shown"),
    [
        ("name", "Alice Example", "A••• E•••"),
        ("name", "王小明", "王•••"),
        ("name", "Ø", "•••"),
        ("name", "e\u0301", "•••"),  # one letter, written as two
        ("name", "कि", "•••"),
        ("name", "محمد علي", "م••• ع•••"),
        ("name", "Ѓорѓи Ѓ", "Ѓ•••"),
        ("name", "김 철수", "철•••"),
        ("street", "東京都千代田区", "東•••••"),
        ("email", "alice@example.org", "a•••@•••.org"),
        ("email", "a@example.org", "•••@•••.org"),
        ("email", "neither", "••••••"),
        ("email", "a@nowhere", "••••••"),
        ("email", "a@.example", "••••••"),
        ("phone", "+493023125001", "+••••••01"),
        ("street", "Musterstraße 1", "M•••••"),
        ("postal_code", "10115", "10•••"),
        ("postal_code", "101", "•••"),
        ("all", "Berlin", "••••••"),
    ],
)
def test_masks_look_like_this(mask: str, value: str, shown: str) -> None:
    assert MASKS[mask](value) == shown


@pytest.mark.parametrize("mask", MASKS)
@given(value=st.text(min_size=1, max_size=60) | st.emails())
def test_a_mask_never_shows_more_than_a_few_characters(mask: str, value: str) -> None:
    shown = MASKS[mask](value)

    kept = [c for c in shown if c not in "•@.+ "]
    most = 3
    if mask == "email":
        most = 1 + len(value.rpartition(".")[2]) if "@" in value else 0
    assert len(kept) <= most
