"""How numbers and hashes are written in the C2SP formats, read without leniency.

One value has one spelling: whoever accepts a second one lets two different texts mean the same.
"""

import base64
import re

HASH_BYTES = 32
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,19}")


class Malformed(ValueError):
    """A text is not what its format says. What it held is not repeated."""


def decimal(text: str) -> int:
    """ASCII digits without leading zeroes, up to 64 bits."""
    if _DECIMAL.fullmatch(text) is None or (number := int(text)) >= 1 << 64:
        raise Malformed("not a decimal number")
    return number


def base64_text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def from_base64(text: str, *, stray_bits: bool = False) -> bytes:
    """Standard base 64 (RFC 4648, section 4), padded.

    `stray_bits` in the last character are let through where nothing depends on the spelling.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise Malformed("not base 64") from None
    if not stray_bits and base64_text(raw) != text:
        raise Malformed("not the canonical base 64 of anything")
    return raw


def hash_from(text: str) -> bytes:
    raw = from_base64(text)
    if len(raw) != HASH_BYTES:
        raise Malformed("not a SHA-256 hash")
    return raw
