"""Finding card numbers wherever somebody may have put one.

A candidate is 13 to 19 digits, whole groups of them, with the separators people use between the
groups; it is a card number when an issuer's prefix allows that length and the Luhn check holds.
We would rather refuse one harmless number in ten of that shape than store one card. UATP (prefix
1) is left out: it would refuse timestamps, and no shop here takes it.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import accumulate
from typing import Any
from urllib.parse import unquote_plus

import phonenumbers

from privity_rest import Unprocessable
from privity_rest.problems import safe_name

CODE = "card_number"

_BETWEEN = r"(?:[ \t\r\n.\-_/\\|]{0,3}|,)"
_CHAIN = re.compile(rf"[0-9](?:{_BETWEEN}[0-9]){{12,}}")
# For a first look at plain text: without separators, every digit alike.
_SEPARATORS = b" \t\r\n.-_/\\|,"
_CLASSES = bytes(ord("0") if chr(code).isdigit() and code < 128 else code for code in range(256))
_THIRTEEN = b"0" * 13
_GROUP = re.compile(r"[0-9]+")
_DIGIT = re.compile(r"\d")
_INVISIBLE = frozenset({"Cf", "Mn", "Me"})
_MIDDLE_DOTS = "·•∙⋅・‧"
# Ids of ours and UUIDs: no person types them, and their digits are random.
_IDENTIFIER = re.compile(
    r"\b[a-z]{3}_[0-9a-hjkmnp-tv-z]{26}\b"
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
    re.IGNORECASE,
)
# Digests and random secrets in hex, the same. With fewer different letters it could be a card
# number that was padded.
_HEX = re.compile(r"\b(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128})\b", re.IGNORECASE)
_HEX_LETTERS = 3
_LONGEST_IDENTIFIER = 128

_16 = frozenset({16})
_16_TO_19 = frozenset({16, 17, 18, 19})
_14_TO_19 = _16_TO_19 | {14, 15}
_ANY = frozenset(range(13, 20))


def _lengths() -> dict[str, frozenset[int]]:
    """Lengths by the first two digits, or the first four where two do not tell."""
    table: dict[str, frozenset[int]] = {str(n): frozenset({13, 16, 19}) for n in range(40, 50)}
    table |= {str(n): _16 for n in range(51, 56)}  # Mastercard
    table |= {str(n): _16 for n in range(2221, 2721)}  # Mastercard
    table |= {str(n): _16_TO_19 for n in range(2200, 2205)}  # Mir
    table |= {"34": frozenset({15}), "37": frozenset({15})}  # American Express
    table |= {"30": _14_TO_19, "36": _14_TO_19, "38": _14_TO_19, "39": _14_TO_19}  # Diners Club
    table |= {str(n): _16_TO_19 for n in range(3528, 3590)}  # JCB
    table |= {str(n): _ANY for n in (50, 56, 57, 58, *range(60, 70))}  # Maestro, Discover, UnionPay
    table |= {"81": _16_TO_19, "82": _16_TO_19, "9792": _16}  # UnionPay, RuPay, Troy
    return table


_LENGTHS = _lengths()
_NONE: frozenset[int] = frozenset()
_NUMBERS = frozenset({int, float})
_COMMONEST = frozenset({15, 16})
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


class CardNumberRefused(Unprocessable):
    code = CODE
    title = "Card numbers are not accepted anywhere"


def holds_card_number(text: str) -> bool:
    if len(text) < 13:
        return False
    if text.isascii():
        if _THIRTEEN not in text.encode().translate(_CLASSES, _SEPARATORS):
            return False
        plain = text
    else:
        plain = _plain(unicodedata.normalize("NFKC", text))
    return any(_is_card_chain(match, plain) for match in _CHAIN.finditer(plain))


def query_holds_card_number(query: bytes) -> bool:
    """For a URL's query, as it came over the wire."""
    return len(query) >= 13 and holds_card_number(unquote_plus(query.decode("latin-1")))


def screen(value: Any, *, exempt: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    """Where card numbers are, as (pointer, code): in texts, numbers and members' names.

    `exempt` are pointers of phone fields whose value has been checked to be a phone number.
    """
    # Places are worked out only when there are any to tell.
    if not _holds_anywhere(value):
        return []
    return [(pointer, CODE) for pointer in _places(value, "", exempt)]


def _holds_anywhere(value: Any) -> bool:
    kind = type(value)
    if kind is str:
        return len(value) >= 13 and holds_card_number(value)
    if kind is dict:
        return _holds_anywhere("\n".join(value)) or any(map(_holds_anywhere, value.values()))
    if kind is list:
        return any(map(_holds_anywhere, value))
    return kind in _NUMBERS and holds_card_number(f"{value:.0f}")


def _places(value: Any, pointer: str, exempt: frozenset[str]) -> Iterator[str]:
    kind = type(value)
    if kind is str:
        if len(value) >= 13 and pointer not in exempt and holds_card_number(value):
            yield pointer
    elif kind is dict:
        for name, child in value.items():
            place = f"{pointer}/{safe_name(name)}"
            if len(name) >= 13 and holds_card_number(name):
                yield place
            yield from _places(child, place, exempt)
    elif kind is list:
        for index, child in enumerate(value):
            yield from _places(child, f"{pointer}/{index}", exempt)
    elif kind in _NUMBERS and holds_card_number(f"{value:.0f}"):
        yield pointer


def _plain(text: str) -> str:
    """One spelling for full-width, Arabic, circled and other digits, spaces and dashes."""
    if len(_DIGIT.findall(text)) < 13:
        return ""
    characters = []
    for character in text:
        category = unicodedata.category(character)
        if category in _INVISIBLE:
            continue
        if category == "Nd":
            characters.append(str(unicodedata.decimal(character)))
        elif category == "Pd" or character == "−":
            characters.append("-")
        elif category in {"Zs", "Zl", "Zp"}:
            characters.append(" ")
        else:
            characters.append("." if character in _MIDDLE_DOTS else character)
    return "".join(characters)


def _is_card_chain(match: re.Match[str], text: str) -> bool:
    groups = _GROUP.findall(match[0])
    return _holds_card(groups) and not _is_phone(match, text) and not _is_identifier(match, text)


def _holds_card(groups: list[str]) -> bool:
    """Whether a run of whole groups is a card number, or the beginning of a group that is too
    long to be one. Linear, also for a text that is nothing but digits."""
    digits = "".join(groups)
    if len(digits) < 13:
        return False
    bounds = list(accumulate(map(len, groups), initial=0))
    ends = frozenset(bounds[1:])
    sums = _luhn_sums(digits)
    for start, group in zip(bounds, groups, strict=False):
        lengths = _LENGTHS.get(digits[start : start + 2])
        lengths = lengths or _LENGTHS.get(digits[start : start + 4], _NONE)
        for length in lengths:
            end = start + length
            whole = end in ends or (len(group) > 19 and length in _COMMONEST)
            if whole and end <= len(digits):
                by_parity = sums[end & 1]
                if (by_parity[end] - by_parity[start]) % 10 == 0:
                    return True
    return False


def _luhn_sums(digits: str) -> tuple[list[int], list[int]]:
    """Running sums with every other digit doubled, for windows that end before an even and
    before an odd position: the check sum of any window is a difference."""
    numbers = [ord(digit) - 48 for digit in digits]
    even = [_DOUBLED[n] if at % 2 == 0 else n for at, n in enumerate(numbers)]
    odd = [_DOUBLED[n] if at % 2 == 1 else n for at, n in enumerate(numbers)]
    return list(accumulate(even, initial=0)), list(accumulate(odd, initial=0))


def _is_phone(match: re.Match[str], text: str) -> bool:
    """Written with its plus and valid in its country: at most 15 digits, so no common card fits."""
    if match.start() == 0 or text[match.start() - 1] != "+" or len(match[0]) > 30:
        return False
    try:
        number = phonenumbers.parse(f"+{match[0]}", None)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(number)


def _is_identifier(match: re.Match[str], text: str) -> bool:
    # An identifier begins before its digits and ends behind them.
    reach = match.start() - _LONGEST_IDENTIFIER, match.end() + _LONGEST_IDENTIFIER
    around = [*_IDENTIFIER.finditer(text, max(0, reach[0]), reach[1])]
    for found in _HEX.finditer(text, max(0, reach[0]), reach[1]):
        letters = {character for character in found[0].lower() if character.isalpha()}
        if len(letters) >= _HEX_LETTERS:
            around.append(found)
    return any(f.start() <= match.start() and match.end() <= f.end() for f in around)
