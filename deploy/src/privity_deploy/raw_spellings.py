"""How a value may look in bytes once programs have had it: written, normalised, encoded, hashed.

Each form of the value (as it is, in its normal forms, backwards, a phone number in its notations)
in each encoding (UTF-8, UTF-16, Latin-1, hex, base64 and base64url at each of three offsets, URL,
JSON, HTML, MIME and Python escapes), and the unsalted hashes of the forms that one would hash.
Whether letters are large or small is told apart only where an encoding gives it a meaning.
"""

import base64
import hashlib
import html
import json
import quopri
import re
import unicodedata
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from html.entities import codepoint2name

import phonenumbers

# Shorter needles are found in noise: two random bytes are everywhere.
SHORTEST = 4
SHORTEST_BASE64 = 8
HASHES = ("md5", "sha1", "sha256")
_PHONE = re.compile(r"\+[0-9][0-9 ()/.-]{6,20}")


@dataclass(frozen=True, slots=True)
class Spelling:
    """`exact`: large and small letters differ; otherwise `text` has small ones."""

    name: str
    text: bytes
    exact: bool


def spellings(value: str) -> list[Spelling]:
    """No two with the same bytes."""
    found: dict[tuple[bytes, bool], Spelling] = {}
    for spelling in _all(value):
        if len(spelling.text) >= SHORTEST:
            found.setdefault((spelling.text, spelling.exact), spelling)
    return list(found.values())


def _all(value: str) -> Iterator[Spelling]:
    forms = _forms(value)
    for form, text in forms.items():
        prefix = f"{form}, " if form else ""
        for name, spelled in _escaped(text):
            yield Spelling(prefix + name, spelled.lower(), exact=False)
        for name, spelled in _base64(text.encode()):
            yield Spelling(prefix + name, spelled, exact=True)
        yield from _hashes(prefix, text)
    backwards = value[::-1]
    yield Spelling("backwards", backwards.encode().lower(), exact=False)
    yield Spelling("bytes backwards", value.encode()[::-1].lower(), exact=False)


def _forms(value: str) -> dict[str, str]:
    """By name; the value itself has none. Forms that do not differ count once."""
    forms = {
        "": value,
        "small": value.lower(),
        "capitals": value.upper(),
        "composed": unicodedata.normalize("NFKC", value),
        "decomposed": unicodedata.normalize("NFD", value),
        **_phone_forms(value),
    }
    kept: dict[str, str] = {}
    for name, form in forms.items():
        if form not in kept.values():
            kept[name] = form
    return kept


def _phone_forms(value: str) -> dict[str, str]:
    if _PHONE.fullmatch(value) is None:
        return {}
    try:
        number = phonenumbers.parse(value)
    except phonenumbers.NumberParseException:
        return {}
    written = phonenumbers.PhoneNumberFormat
    international = phonenumbers.format_number(number, written.INTERNATIONAL)
    return {
        "E.164": phonenumbers.format_number(number, written.E164),
        "national": phonenumbers.format_number(number, written.NATIONAL),
        "international": international,
        "grouped": international.partition(" ")[2],
        "RFC 3966": phonenumbers.format_number(number, written.RFC3966),
        # Within every notation without gaps: 030…, 004930…, 4930….
        "digits": phonenumbers.national_significant_number(number),
        "all digits": phonenumbers.format_number(number, written.E164).removeprefix("+"),
        "as dialled": f"0{phonenumbers.national_significant_number(number)}",
    }


def _escaped(text: str) -> Iterator[tuple[str, bytes]]:
    plain = text.encode()
    yield "plain", plain
    yield "UTF-16 LE", text.encode("utf-16-le")
    yield "UTF-16 BE", text.encode("utf-16-be")
    yield "Latin-1", text.encode("latin-1", "ignore")
    yield "hex", plain.hex().encode()
    yield "hex of UTF-16 LE", text.encode("utf-16-le").hex().encode()
    yield "hex, spaced", plain.hex(" ").encode()
    yield "URL", urllib.parse.quote(text, safe="").encode()
    yield "URL path", urllib.parse.quote(text, safe="/@:+,;=&$!'()*").encode()
    yield "URL form", urllib.parse.quote_plus(text).encode()
    yield "URL, every byte", b"".join(b"%%%02x" % byte for byte in plain)
    yield "URL twice", urllib.parse.quote(urllib.parse.quote(text, safe=""), safe="").encode()
    escaped = json.dumps(text)[1:-1]
    yield "JSON", escaped.encode()
    yield "JSON within JSON", json.dumps(escaped)[1:-1].encode()
    yield "JSON, every character", _units(text)
    yield "Python", ascii(text)[1:-1].encode()
    yield "Python bytes", repr(plain)[2:-1].encode()
    yield "HTML", html.escape(text).encode()
    yield "HTML numbers", text.encode("ascii", "xmlcharrefreplace")
    yield (
        "HTML hex numbers",
        "".join(c if c.isascii() else f"&#x{ord(c):x};" for c in text).encode(),
    )
    yield "HTML names", _named(text).encode()
    yield "quoted-printable", quopri.encodestring(plain).replace(b"=\n", b"")
    yield "MIME header", quopri.encodestring(plain, header=True).replace(b"=\n", b"")


def _units(text: str) -> bytes:
    r"""Each UTF-16 unit as \uXXXX."""
    raw = text.encode("utf-16-be")
    return b"".join(b"\\u" + raw[at : at + 2].hex().encode() for at in range(0, len(raw), 2))


def _named(text: str) -> str:
    def entity(character: str) -> str:
        name = codepoint2name.get(ord(character))
        return f"&{name};" if name else character

    return "".join(map(entity, text))


def _base64(plain: bytes) -> Iterator[tuple[str, bytes]]:
    """Where a value begins within a longer text decides how it comes out."""
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + plain)
        # What depends on the neighbours is left away at both ends.
        start = (offset * 8 + 5) // 6
        end = (offset + len(plain)) * 8 // 6
        text = encoded[start:end]
        if len(text) >= SHORTEST_BASE64:
            yield f"base64 +{offset}", text
            yield f"base64url +{offset}", text.translate(bytes.maketrans(b"+/", b"-_"))


def _hashes(prefix: str, text: str) -> Iterator[Spelling]:
    for name in HASHES:
        digest = hashlib.new(name, text.encode(), usedforsecurity=False).digest()
        yield Spelling(f"{prefix}{name}", digest, exact=True)
        yield Spelling(f"{prefix}{name} hex", digest.hex().encode(), exact=False)
        encoded = base64.b64encode(digest).rstrip(b"=")
        yield Spelling(f"{prefix}{name} base64", encoded, exact=True)
        url = base64.urlsafe_b64encode(digest).rstrip(b"=")
        yield Spelling(f"{prefix}{name} base64url", url, exact=True)
