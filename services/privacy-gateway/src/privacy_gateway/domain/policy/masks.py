"""How a masked value looks: enough to recognise one's own, too little to use.

A mask keeps the type, never lengthens what is known, and never shows a short value whole.
"""

import unicodedata
from collections.abc import Callable

DOT = "•"


def _dots(count: int) -> str:
    # A fixed-looking tail: the length of a name or a street is a hint of its own.
    return DOT * max(3, min(count, 6))


def mask_name(value: str) -> str:
    """The first letter of each of at most two words, where it has more than one."""
    words = [_letters(word) for word in value.split()[:2]]
    return " ".join(word[0] + _dots(3) for word in words if len(word) > 1) or _dots(3)


def _letters(word: str) -> str:
    """Without the marks that go with letters: what is written with one letter and three marks is
    one letter, in any script."""
    return "".join(each for each in word if not unicodedata.category(each).startswith("M"))


def mask_email(value: str) -> str:
    """The first character and the last label of the domain; nothing of what is no address."""
    local, _, domain = value.rpartition("@")
    before, _, top = domain.rpartition(".")
    if not local or not before:
        return _dots(6)
    first = local[:1] if len(local) > 1 else ""
    return f"{first}{_dots(3)}@{_dots(3)}.{top}"


def mask_phone(value: str) -> str:
    """The last two digits."""
    return f"+{_dots(6)}{value[-2:]}" if len(value) >= 8 else f"+{_dots(6)}"


def mask_street(value: str) -> str:
    """The first character: the unit number is what makes a street a door."""
    return value[0] + _dots(5) if len(value) > 3 else _dots(5)


def mask_postal_code(value: str) -> str:
    """The first two characters: a region, not a street."""
    return value[:2] + DOT * (len(value) - 2) if len(value) >= 4 else DOT * len(value)


def mask_all(value: str) -> str:
    return _dots(6)


MASKS: dict[str, Callable[[str], str]] = {
    "name": mask_name,
    "email": mask_email,
    "phone": mask_phone,
    "street": mask_street,
    "postal_code": mask_postal_code,
    "all": mask_all,
}
