"""Leaves are RFC 8785: by the vectors, and by the rules written out in full."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from privity_transparency.verifier.record import NotCanonical, canonical, read

# What a leaf is made of: no space, nothing to escape, nothing beyond ASCII.
TEXT = st.text(string.ascii_letters + string.digits + "-_.:,/*", max_size=30)
VALUES = st.recursive(
    TEXT | st.integers(-(2**53) + 1, 2**53 - 1),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=6),
    max_leaves=30,
)
ANYTHING = st.recursive(
    st.text() | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


def test_the_public_vectors(vectors: Path, record_figures: Callable[[str], None]) -> None:
    folder = vectors / "jcs-cyberphone/testdata"
    inputs = sorted((folder / "input").iterdir())

    for file in inputs:
        expected = bytes.fromhex((folder / "outhex" / f"{file.stem}.txt").read_text())
        given_text = file.read_bytes()
        value = json.loads(given_text)
        assert (folder / "output" / file.name).read_bytes() == expected
        assert canonical(value) == expected
        if isinstance(value, dict):
            assert read(expected) == orjson.loads(expected)
        with pytest.raises(NotCanonical):
            read(given_text)

    assert len(inputs) == 6
    record_figures(f"vectors, JCS: {len(inputs)} written the same, {len(inputs)} others refused")


@settings(max_examples=60)
@given(VALUES)
def test_in_the_leafs_alphabet_sorted_and_compact_is_canonical(value: Any) -> None:
    assert orjson.dumps(value, option=orjson.OPT_SORT_KEYS) == rfc8785.dumps(value)
    assert canonical(value) == rfc8785.dumps(value)


@settings(max_examples=60)
@given(ANYTHING)
def test_everywhere_else_the_rules_themselves_decide(value: Any) -> None:
    try:
        expected = rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeError):
        return
    assert canonical(value) == expected


@pytest.mark.parametrize(
    "leaf",
    [
        b'{"v":1.0}',
        b'{"v":1e2}',
        b'{"v":-0}',
        b'{"v":12345678901234567890}',
        b'{"v":1, "w":2}',
        b'{"w":2,"v":1}',
        b'{"v":1,"v":1}',
        b'{"v":"\\u0041"}',
        b'{"v":"\\/"}',
        b'{"v":NaN}',
        b'{"v":"\xff"}',
        b'{"v":1}\n',
        b'\xef\xbb\xbf{"v":1}',
        b'["v"]',
        b"",
    ],
)
def test_another_spelling_of_a_leaf_is_none(leaf: bytes) -> None:
    with pytest.raises(NotCanonical):
        read(leaf)
