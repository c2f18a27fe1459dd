"""A coarser form that is true: the region of a postal code, the country of a phone number.

Unlike a mask it can be worked with (a shipping rate, a fraud pattern); like a mask it keeps the
type. What has no coarser form known here is not generalised but withheld, by the policy's check.
"""

import re
from collections.abc import Callable

import phonenumbers

_LETTERS = re.compile(r"[A-Z]{1,2}(?=[0-9])")


def postal_region(value: str) -> str:
    """The area of a postal code that begins with letters (`SW1A 1AA`: `SW`), else its first two
    digits; the first alone where a code is so short that two would be a town."""
    area = _LETTERS.match(value)
    if area is not None:
        return area.group()
    digits = "".join(character for character in value if character.isdigit())
    return digits[: 2 if len(digits) >= 5 else 1]


def calling_code(value: str) -> str:
    """`+49` of `+493023125001`: a country, or the few that share a code."""
    try:
        return f"+{phonenumbers.parse(value, None).country_code}"
    except phonenumbers.NumberParseException:
        return "+"


COARSER: dict[str, Callable[[str], str]] = {
    "postal_region": postal_region,
    "calling_code": calling_code,
}
