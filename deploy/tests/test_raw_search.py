"""The raw search finds what an encoder would have made of a value, and nothing where it is not."""

import base64
import gzip
import hashlib
import html
import json
import os
import quopri
import unicodedata
import urllib.parse
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from privity_deploy.raw_search import CHUNK, Hit, RawSearch, files_below, search

NAME = "Quirina Zaubermann"
STREET = "Glühwürmchenweg 17"


LEAKS: list[Callable[[str], bytes]] = [
    lambda v: v.encode(),
    lambda v: v.upper().encode(),
    lambda v: v.lower().encode(),
    lambda v: unicodedata.normalize("NFD", v).encode(),
    lambda v: v[::-1].encode(),
    lambda v: v.encode("utf-16-le"),
    lambda v: v.encode("utf-16-be"),
    lambda v: v.encode("latin-1"),
    lambda v: v.encode().hex().encode(),
    lambda v: v.encode().hex().upper().encode(),
    lambda v: base64.b64encode(v.encode()),
    lambda v: base64.b64encode(b"x" + v.encode() + b"yz"),
    lambda v: base64.b64encode(b"xy" + v.encode() + b"z"),
    lambda v: base64.urlsafe_b64encode(b"\xff\xfe" + v.encode() + b"\xff"),
    lambda v: urllib.parse.quote(v).encode(),
    lambda v: urllib.parse.quote(v, safe="").lower().encode(),
    lambda v: urllib.parse.urlencode({"q": v}).encode(),
    lambda v: "".join(f"%{byte:02X}" for byte in v.encode()).encode(),
    lambda v: urllib.parse.quote(urllib.parse.quote(v)).encode(),
    lambda v: json.dumps({"name": v}).encode(),
    lambda v: json.dumps(json.dumps({"name": v})).encode(),
    lambda v: "".join(f"\\u{ord(c):04X}" for c in v).encode(),
    lambda v: repr(v.encode()).encode(),
    lambda v: html.escape(v).encode("ascii", "xmlcharrefreplace"),
    lambda v: v.replace("ü", "&uuml;").encode("ascii"),
    lambda v: quopri.encodestring(v.encode()),
    lambda v: quopri.encodestring(v.encode(), header=True),
    lambda v: hashlib.sha256(v.encode()).hexdigest().encode(),
    lambda v: hashlib.sha1(v.lower().encode(), usedforsecurity=False).digest(),
    lambda v: base64.b64encode(hashlib.md5(v.encode(), usedforsecurity=False).digest()),
    lambda v: gzip.compress(b"before " * 9 + v.encode() + b" and after"),
    lambda v: zlib.compress(b"before " * 9 + v.encode() + b" and after"),
    lambda v: gzip.compress(zlib.compress(v.encode() * 9)),
]


@pytest.mark.parametrize("value", [NAME, STREET, "+493023125099", "quirina@example.org"])
@pytest.mark.parametrize("leak", LEAKS)
def test_every_planted_spelling_is_found(
    tmp_path: Path, leak: Callable[[str], bytes], value: str
) -> None:
    (tmp_path / "heap").write_bytes(os.urandom(5000) + leak(value) + os.urandom(5000))

    hits = list(search(files_below(tmp_path), {"planted": value}))

    assert {hit.value for hit in hits} == {"planted"}


@pytest.mark.parametrize(
    "written",
    ["+49 30 23125099", "030 23125099", "03023125099", "004930 23125099", "tel:+49-30-23125099",
     "493023125099", "0049 30 23125099"],
)  # fmt: skip
def test_a_phone_number_is_found_in_each_of_its_notations(tmp_path: Path, written: str) -> None:
    (tmp_path / "log").write_text(f"called {written}, no answer")

    hits = list(search(files_below(tmp_path), {"phone": "+493023125099"}))

    assert hits, written


@pytest.mark.parametrize("form", ["Quirina@Example.ORG", "QUIRINA@EXAMPLE.ORG"])
def test_the_hash_of_a_normalised_address_is_found(tmp_path: Path, form: str) -> None:
    digest = hashlib.sha256(b"quirina@example.org").hexdigest()
    (tmp_path / "column").write_text(digest)

    [hit] = search(files_below(tmp_path), {"e-mail": form})

    assert hit.spelling == "small, sha256 hex"


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "heap").write_bytes(os.urandom(200_000))

    assert list(search(files_below(tmp_path), {"name": NAME, "street": STREET})) == []


def test_a_value_across_two_chunks_is_found_at_its_place(tmp_path: Path) -> None:
    before = CHUNK - 5
    (tmp_path / "wal").write_bytes(b"\0" * before + NAME.encode() + b"\0" * 100)

    hits = list(search(files_below(tmp_path), {"name": NAME}))

    assert {hit.offset for hit in hits if hit.spelling == "plain"} == {before}


def test_a_report_names_the_label_and_not_the_value(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(NAME.encode())

    hits = list(search(files_below(tmp_path), {"name": NAME}))

    assert hits
    assert NAME not in repr(hits)


def test_the_spelling_and_the_place_are_named(tmp_path: Path) -> None:
    text = b"GET /?q=" + urllib.parse.quote(STREET).encode()
    (tmp_path / "access.log").write_bytes(b"line\n" * 20 + text)

    hits = list(search(files_below(tmp_path), {"street": STREET}))

    assert Hit(tmp_path / "access.log", 100 + 8, "street", "URL") in hits


def test_many_values_are_looked_for_at_once_and_told_apart(tmp_path: Path) -> None:
    values = {f"value {number}": f"Zwetschgenstein {number:03}" for number in range(100)}
    (tmp_path / "heap").write_bytes(os.urandom(CHUNK) + values["value 77"].encode())

    finder = RawSearch(values)
    hits = list(finder.files(files_below(tmp_path)))

    assert {hit.value for hit in hits} == {"value 77"}
    assert (finder.seen.files, finder.seen.size) == (1, CHUNK + len(values["value 77"]))
