"""The form of a sealed value: `s1:<key_id>:<category>:<base64url(nonce ‖ ciphertext ‖ tag)>`.

A text has one spelling: every other one (padding, trailing bits, another alphabet, a flipped bit)
is not a sealed value or does not open. The version, the key, the category and the subject are
bound to the ciphertext, so a value moved to another field or another person does not open.

A nonce is 96 random bits. NIST SP 800-38D (8.3) allows 2³² seals under one key that way; a data key
belongs to one person, one scope and one retention class, and `key_table` retires it after 2²⁸.
"""

import base64
import os
import re
from binascii import a2b_base64
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12
TAG_BYTES = 16
LONGEST = 16384 * 3 // 4 - NONCE_BYTES - TAG_BYTES
"""Bytes of UTF-8 in the longest value that a sealed column takes."""

CATEGORY = re.compile(r"[a-z_]+(?:\.[a-z_]+)*")
_FORM = re.compile(
    rf"s1:(key_[0-9a-hjkmnp-tv-z]{{26}}):({CATEGORY.pattern}):([A-Za-z0-9_-]{{38,16384}})"
)
# What the last character may be when the text stops inside a group of four: its spare bits are 0.
_LAST = {2: frozenset("AQgw"), 3: frozenset("AEIMQUYcgkosw048")}


class NotSealed(ValueError):
    """The text is not a sealed value in its one spelling. The text itself is not repeated."""


class DoesNotOpen(ValueError):
    """The key, the category or the subject is another one, or the value was altered."""


class TooLong(ValueError):
    """More than a sealed column takes."""


class Parts(NamedTuple):
    key_id: str
    category: str
    body: bytes


def parse(token: str) -> Parts:
    match = _FORM.fullmatch(token)
    if match is None:
        raise NotSealed("not a sealed value")
    key_id, category, text = match.groups()
    spare = len(text) & 3
    if spare and (spare == 1 or text[-1] not in _LAST[spare]):
        raise NotSealed("not the one spelling of a sealed value")
    # What `base64.urlsafe_b64decode` does in four calls; the alphabet was checked above.
    standard = text.replace("-", "+").replace("_", "/")
    return Parts(key_id, category, a2b_base64(f"{standard}=="))


def seal(plaintext: str, *, cipher: AESGCM, key_id: str, category: str, subject: str) -> str:
    content = plaintext.encode()
    if len(content) > LONGEST:
        raise TooLong(f"more than {LONGEST} bytes")
    if CATEGORY.fullmatch(category) is None:
        raise NotSealed("not the name of a category")
    body = encrypt(content, cipher=cipher, bound=_bound(key_id, category, subject))
    return f"s1:{key_id}:{category}:{base64.urlsafe_b64encode(body).rstrip(b'=').decode()}"


def open_sealed(parts: Parts, *, cipher: AESGCM, subject: str) -> str:
    key_id, category, body = parts
    try:
        return decrypt(body, cipher=cipher, bound=_bound(key_id, category, subject)).decode()
    except InvalidTag:
        raise DoesNotOpen(f"a value under {key_id} does not open") from None


def encrypt(content: bytes, *, cipher: AESGCM, bound: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, content, bound)


def decrypt(body: bytes, *, cipher: AESGCM, bound: bytes) -> bytes:
    """Raises InvalidTag."""
    return cipher.decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], bound)


def _bound(key_id: str, category: str, subject: str) -> bytes:
    return f"s1|{key_id}|{category}|{subject}".encode()
