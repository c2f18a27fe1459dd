"""Identifiers: a three-letter prefix and sixteen bytes, ordered by the time they were minted."""

import os
import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated

from pydantic import StringConstraints

from privity_contracts.categories import OPERATIONAL, Category

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case
BODY = "[0-9a-hjkmnp-tv-z]{26}"
PATTERN = re.compile(rf"[a-z]{{3}}_{BODY}")


_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
# A character for each byte of entropy: an id is minted for each request and each record. Two
# characters are not free: they hold the UUID's version (0111) and its variant (10).
_ANY = bytes(ord(ALPHABET[byte & 31]) for byte in range(256))
_FIRST = [ALPHABET[byte & 0b00001 | 0b01110] for byte in range(256)]
_FOURTH = [ALPHABET[byte & 0b10011 | 0b01000] for byte in range(256)]


def encode(raw: bytes) -> str:
    """26 characters for 16 bytes."""
    return _encoded(int.from_bytes(raw, "big"), pairs=13)


def _encoded(number: int, *, pairs: int) -> str:
    return "".join([_PAIRS[(number >> 10 * at) & 1023] for at in range(pairs - 1, -1, -1)])


@lru_cache(maxsize=4)
def _moment(milliseconds: int) -> str:
    return _encoded(milliseconds, pairs=5)


def mint(
    prefix: str,
    *,
    clock: Callable[[], float] = time.time,
    entropy: Callable[[int], bytes] = os.urandom,
) -> str:
    """A fresh id, laid out as a UUID of version 7 (RFC 9562, section 5.7)."""
    raw = entropy(16)
    text = raw.translate(_ANY).decode()
    moment = _moment(int(clock() * 1000) & 0xFFFFFFFFFFFF)
    return f"{prefix}_{moment}{_FIRST[raw[0]]}{text[1:3]}{_FOURTH[raw[3]]}{text[4:]}"


def is_id(text: str, prefix: str | None = None) -> bool:
    return PATTERN.fullmatch(text) is not None and (prefix is None or text.startswith(f"{prefix}_"))


SubjectId = Annotated[str, StringConstraints(pattern=rf"^cus_{BODY}$"), Category("user.unique_id")]
AddressId = Annotated[str, StringConstraints(pattern=rf"^adr_{BODY}$"), OPERATIONAL]
OrderId = Annotated[str, StringConstraints(pattern=rf"^ord_{BODY}$"), OPERATIONAL]
PaymentId = Annotated[str, StringConstraints(pattern=rf"^pay_{BODY}$"), OPERATIONAL]
ProductId = Annotated[str, StringConstraints(pattern=rf"^prd_{BODY}$"), OPERATIONAL]
SessionId = Annotated[str, StringConstraints(pattern=rf"^ses_{BODY}$"), OPERATIONAL]
RegistrationId = Annotated[str, StringConstraints(pattern=rf"^reg_{BODY}$"), OPERATIONAL]
ShipmentId = Annotated[str, StringConstraints(pattern=rf"^shp_{BODY}$"), OPERATIONAL]
DeliveryId = Annotated[str, StringConstraints(pattern=rf"^dlv_{BODY}$"), OPERATIONAL]
EventId = Annotated[str, StringConstraints(pattern=rf"^evt_{BODY}$"), OPERATIONAL]
RecipientId = Annotated[str, StringConstraints(pattern=rf"^rcp_{BODY}$"), OPERATIONAL]
CaseId = Annotated[str, StringConstraints(pattern=rf"^cas_{BODY}$"), OPERATIONAL]
CaseMessageId = Annotated[str, StringConstraints(pattern=rf"^csm_{BODY}$"), OPERATIONAL]
RecordId = Annotated[str, StringConstraints(pattern=rf"^rec_{BODY}$"), OPERATIONAL]
StaffId = Annotated[str, StringConstraints(pattern=rf"^stf_{BODY}$"), OPERATIONAL]
