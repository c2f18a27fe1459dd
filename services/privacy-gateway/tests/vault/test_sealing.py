"""The form of a sealed value: one spelling, and nothing but that opens."""

import base64
import os

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from privacy_gateway.domain.intake.normalise import BadValue, text
from privacy_gateway.domain.vault import sealing
from privity_contracts import Sealed, ids

CIPHER = AESGCM(os.urandom(32))
KEY = ids.mint("key")
WHO = ids.mint("cus")
CATEGORY = "user.contact.email"
# How long an example takes says nothing on a busy machine.
examples = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)


def sealed(text, *, category=CATEGORY, subject=WHO, key_id=KEY, cipher=CIPHER):
    return sealing.seal(text, cipher=cipher, key_id=key_id, category=category, subject=subject)


def opened(token, *, subject=WHO, cipher=CIPHER):
    return sealing.open_sealed(sealing.parse(token), cipher=cipher, subject=subject)


@examples
@given(ANYTHING)
def test_what_was_sealed_opens_to_the_same_text(text):
    assert opened(sealed(text)) == text


@examples
@given(ANYTHING)
def test_a_service_takes_every_sealed_value_as_one(text):
    assert Sealed(sealed(text)).category == CATEGORY


def test_the_longest_value_still_fits_a_sealed_column():
    longest = "a" * sealing.LONGEST

    assert Sealed(sealed(longest)).token
    with pytest.raises(sealing.TooLong):
        sealed(longest + "a")


def test_every_text_that_passes_its_validator_can_be_sealed():
    widest = text("\U00020bb7" * 2000)

    assert Sealed(sealed(widest)).token
    with pytest.raises(BadValue):
        text(widest + "a")


def test_two_seals_of_one_value_cannot_be_told_to_be_equal():
    assert sealed("rosalind@example.org") != sealed("rosalind@example.org")


def test_no_bit_of_a_sealed_value_can_be_flipped():
    token = sealed("rosalind@example.org")
    raw = token.encode()

    for position in range(len(raw)):
        for bit in range(8):
            changed = bytearray(raw)
            changed[position] ^= 1 << bit
            with pytest.raises((sealing.NotSealed, sealing.DoesNotOpen)):
                opened(changed.decode("latin-1"))


def test_no_bit_of_what_the_text_encodes_can_be_flipped():
    head, _, text = sealed("rosalind@example.org").rpartition(":")
    body = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    for position in range(len(body)):
        for bit in range(8):
            changed = bytearray(body)
            changed[position] ^= 1 << bit
            respelled = base64.urlsafe_b64encode(bytes(changed)).rstrip(b"=").decode()
            with pytest.raises(sealing.DoesNotOpen):
                opened(f"{head}:{respelled}")


def test_no_shortened_or_lengthened_value_opens():
    token = sealed("rosalind@example.org")

    for length in range(len(token)):
        with pytest.raises((sealing.NotSealed, sealing.DoesNotOpen)):
            opened(token[:length])
    for tail in ("A", "AA", "AAAA", "=", "\n", " ", ":", "\x00"):
        with pytest.raises((sealing.NotSealed, sealing.DoesNotOpen)):
            opened(token + tail)


@pytest.mark.parametrize("size", range(40))
def test_a_value_has_one_spelling(size):
    """Elsewhere, spare bits, padding and the other alphabet decode to the same bytes."""
    token = sealed("x" * size)
    head, _, text = token.rpartition(":")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spare = {0: 0, 2: 4, 3: 2}[len(text) % 4]
    last = alphabet.index(text[-1])

    for bits in range(1, 1 << spare):
        with pytest.raises(sealing.NotSealed):
            sealing.parse(f"{head}:{text[:-1]}{alphabet[last | bits]}")
    for other in (text + "=" * (-len(text) % 4), text.replace("-", "+").replace("_", "/")):
        if other != text:
            with pytest.raises(sealing.NotSealed):
                sealing.parse(f"{head}:{other}")


@pytest.mark.parametrize(
    "spelling",
    [
        "S1:{key}:{category}:{text}",
        "s2:{key}:{category}:{text}",
        "s01:{key}:{category}:{text}",
        " s1:{key}:{category}:{text}",
        "s1:{key}:{category}:{text}\n",
        "s1:{KEY}:{category}:{text}",
        "s1:{key}::{category}:{text}",
        "s1:{key}:{category}.:{text}",
        "s1:{key}:.{category}:{text}",
        "s1:{key}:User.Contact.Email:{text}",
        "s1:{key}:usеr.contact.email:{text}",
        "s1:{key}:{category}:",
        "s1:{key}:{category}",
        "s1:{key}:{category}:{text}:{text}",
        "",
        "s1",
        "rosalind@example.org",
    ],
)
def test_another_spelling_is_no_sealed_value(spelling):
    token = sealed("rosalind@example.org")
    _, key, category, text = token.split(":")

    with pytest.raises(sealing.NotSealed):
        sealing.parse(spelling.format(key=key, KEY=key.upper(), category=category, text=text))


def test_a_value_moved_to_another_category_key_or_person_does_not_open():
    token = sealed("rosalind@example.org")
    other_key, other_cipher = ids.mint("key"), AESGCM(os.urandom(32))

    with pytest.raises(sealing.DoesNotOpen):
        opened(token.replace(CATEGORY, "user.name"))
    with pytest.raises(sealing.DoesNotOpen):
        opened(token.replace(KEY, other_key))
    with pytest.raises(sealing.DoesNotOpen):
        opened(token, subject=ids.mint("cus"))
    with pytest.raises(sealing.DoesNotOpen):
        opened(token, cipher=other_cipher)


def test_a_refusal_repeats_nothing_of_the_text():
    with pytest.raises(sealing.NotSealed) as refused:
        sealing.parse("s1:rosalind@example.org")

    assert "rosalind" not in str(refused.value)


def test_a_category_that_would_break_the_form_is_not_sealed():
    with pytest.raises(sealing.NotSealed):
        sealed("x", category="user.name:AAAA")
