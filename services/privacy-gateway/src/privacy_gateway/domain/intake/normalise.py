"""One form for each kind of personal value, before it is sealed.

What is refused here is what would mislead a reader or a machine (control characters, text
direction tricks, invisible characters), what is too long, and what cannot be what it claims to be.
A person's own spelling of a name or a street is theirs and stays.
"""

import re
import unicodedata
from collections.abc import Callable

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from privacy_gateway.domain.intake.card_numbers import holds_card_number
from privity_rest import Unprocessable

Validator = Callable[[str], str]

# Joiners and marks that several scripts need for correct spelling.
_NEEDED_FORMATS = frozenset("\u200c\u200d\u200e\u200f\u061c")
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")
_PLAIN = re.compile(r"[ -~]*")
_SPACES = re.compile(r"\s+")
_LINK = re.compile(r"://|\bwww\.", re.IGNORECASE)
_PHONE = re.compile(r"\+?[0-9][0-9 ().\-/]{4,30}")
_POSTAL_CODE = re.compile(r"[A-Z0-9](?:[A-Z0-9]|[ -](?=[A-Z0-9])){1,11}")


class Invalid(Unprocessable):
    """Members that are not what they should be: pairs of a JSON pointer and a code."""


class BadValue(ValueError):
    """The value cannot be brought into form; `code` says why, and nothing says what it was."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def normalise(validator: str, value: object) -> str:
    """Raises BadValue; KeyError for a validator that does not exist, which is a bug."""
    apply = VALIDATORS[validator]
    if not isinstance(value, str):
        raise BadValue("not_text")
    return apply(value)


def index_form(validator: str, normalised: str) -> str:
    """What equality search compares: two spellings of one mailbox are one."""
    if validator != "email":
        return normalised
    local, _, domain = normalised.rpartition("@")
    # The standard lets mailboxes differ by case; no provider does, and people mistype it.
    return f"{unicodedata.normalize('NFC', local.casefold())}@{domain.casefold()}"


def email(value: str) -> str:
    """Syntax only: nothing is looked up. Reserved example domains are addresses like any other."""
    text = value.strip()
    if not 3 <= len(text) <= 254:
        raise BadValue("email_length")
    try:
        found = validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        raise BadValue("email_format") from None
    return _printable(found.normalized)


def phone(value: str) -> str:
    """E.164. Possible is enough: numbering plans change faster than lists of them, and numbers
    reserved for documentation and drama are possible. The country code has to be there, so that a
    number means the same to everyone."""
    text = unicodedata.normalize("NFKC", value).strip()
    if text.startswith("00"):
        text = f"+{text[2:]}"
    if _PHONE.fullmatch(text) is None:
        raise BadValue("phone_format")
    if not text.startswith("+"):
        raise BadValue("phone_country_code_missing")
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        raise BadValue("phone_format") from None
    form = str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    if not phonenumbers.is_possible_number(number) or len(form) > 16:
        raise BadValue("phone_length")
    # What reads as a card number as well has to be more than possible.
    if holds_card_number(form[1:]) and not phonenumbers.is_valid_number(number):
        raise BadValue("phone_format")
    return form


def name(value: str) -> str:
    text = _line(value, longest=100)
    if not any(character.isalpha() for character in text):
        raise BadValue("no_letter")
    if _LINK.search(text):
        raise BadValue("link_in_name")  # mails greet by name: a link there would go out as ours
    return text


def address_line(value: str) -> str:
    text = _line(value, longest=100)
    if not any(character.isalnum() for character in text):
        raise BadValue("no_letter_or_digit")
    return text


def city(value: str) -> str:
    text = _line(value, longest=80)
    if not any(character.isalpha() for character in text):
        raise BadValue("no_letter")
    return text


def region(value: str) -> str:
    return _line(value, longest=80)


def postal_code(value: str) -> str:
    """The alphabet of postal codes; the address as a whole tells whether its country has it."""
    text = _SPACES.sub(" ", unicodedata.normalize("NFKC", value).strip()).upper()
    if _POSTAL_CODE.fullmatch(text) is None:
        raise BadValue("postal_code_format")
    return text


def country(value: str) -> str:
    """ISO 3166-1 alpha-2."""
    text = value.strip().upper()
    if text not in COUNTRIES:
        raise BadValue("country_unknown")
    return text


def text(value: str) -> str:
    """Free text of several lines."""
    cleaned = unicodedata.normalize("NFC", value.replace("\r\n", "\n").replace("\r", "\n")).strip()
    if not cleaned:
        raise BadValue("empty")
    if len(cleaned) > 2000:
        raise BadValue("too_long")
    return _printable(cleaned, also="\n\t")


def note(value: str) -> str:
    """Free text of one line, such as a remark for the carrier."""
    return _line(value, longest=200)


def _line(value: str, *, longest: int) -> str:
    if len(value) > 4 * longest:
        raise BadValue("too_long")
    trimmed = _printable(value.strip(" \t\r\n"), also="\t")
    cleaned = _SPACES.sub(" ", unicodedata.normalize("NFC", trimmed)).strip()
    if not cleaned:
        raise BadValue("empty")
    if len(cleaned) > longest:
        raise BadValue("too_long")
    return cleaned


def _printable(value: str, *, also: str = "") -> str:
    if _PLAIN.fullmatch(value):
        return value
    if _DIRECTION.search(value):
        raise BadValue("text_direction_override")
    for character in value:
        category = unicodedata.category(character)
        if category == "Cc" and character not in also:
            raise BadValue("control_character")
        if category in {"Zl", "Zp"}:
            raise BadValue("control_character")
        if category == "Cf" and character not in _NEEDED_FORMATS:
            raise BadValue("invisible_character")
        if category in {"Cs", "Co", "Cn"}:
            raise BadValue("unassigned_character")
    return value


COUNTRIES = frozenset(phonenumbers.SUPPORTED_REGIONS)
VALIDATORS: dict[str, Validator] = {
    "email": email,
    "phone": phone,
    "name": name,
    "text": text,
    "note": note,
    "address_line": address_line,
    "city": city,
    "region": region,
    "postal_code": postal_code,
    "country": country,
}
