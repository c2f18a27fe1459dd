"""The raw search finds what an encoder would have made of a value, and nothing where it is not."""

import base64
import gzip
import hashlib
import json
import os
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest

from privity_deploy.raw_search import CHUNK, files_below, search

NAME = "Quirina Zaubermann"
STREET = "Glühwürmchenweg 17"


@pytest.mark.parametrize("value", [NAME, STREET, "+493023125099", "quirina@example.org"])
@pytest.mark.parametrize(
    "leak",
    [
        lambda v: v.encode(),
        lambda v: v.upper().encode() if v.isascii() else v.encode(),
        lambda v: v.encode("utf-16-le"),
        lambda v: v.encode("utf-16-be"),
        lambda v: v.encode().hex().encode(),
        lambda v: v.encode().hex().upper().encode(),
        lambda v: base64.b64encode(v.encode()),
        lambda v: base64.b64encode(b"x" + v.encode() + b"yz"),
        lambda v: base64.b64encode(b"xy" + v.encode() + b"z"),
        lambda v: urllib.parse.quote(v).encode(),
        lambda v: urllib.parse.urlencode({"q": v}).encode(),
        lambda v: json.dumps({"name": v}).encode(),
        lambda v: hashlib.sha256(v.encode()).hexdigest().encode(),
        lambda v: hashlib.md5(v.encode()).digest(),  # noqa: S324  # what a leak may look like
    ],
)
def test_every_planted_spelling_is_found(
    tmp_path: Path, leak: Callable[[str], bytes], value: str
) -> None:
    (tmp_path / "heap").write_bytes(os.urandom(5000) + leak(value) + os.urandom(5000))

    hits = list(search(files_below(tmp_path), {"planted": value}))

    assert {hit.value for hit in hits} == {"planted"}


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "heap").write_bytes(os.urandom(200_000))

    assert list(search(files_below(tmp_path), {"name": NAME, "street": STREET})) == []


def test_a_value_across_two_chunks_is_found_at_its_place(tmp_path: Path) -> None:
    before = CHUNK - 5
    (tmp_path / "wal").write_bytes(b"\0" * before + NAME.encode() + b"\0" * 100)

    (hit,) = search(files_below(tmp_path), {"name": NAME})

    assert hit.offset == before


def test_a_report_names_the_label_and_not_the_value(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(NAME.encode())

    (hit,) = search(files_below(tmp_path), {"name": NAME})

    assert NAME not in repr(hit)


def test_what_is_compressed_is_not_found_and_so_must_not_be_written(tmp_path: Path) -> None:
    # The limit of any search of bytes, stated: compressed logs would hide a leak.
    (tmp_path / "log.gz").write_bytes(gzip.compress(NAME.encode() * 50))

    assert list(search(files_below(tmp_path), {"name": NAME})) == []
