"""Every sealed value in every other's place: of another person, order, category, version, key."""

import base64
import itertools
from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidTag

from privacy_gateway.domain.vault import key_table
from privacy_gateway.domain.vault.data_keys import KeyDestroyed, KeysUnavailable
from privacy_gateway.domain.vault.sealing import DoesNotOpen, NotSealed
from privacy_gateway.domain.vault.vault import NotInReceipt
from privity_contracts import ids

CLASSES = {"user.name": "identity", "user.contact.email": "identity", "user.city": "delivery"}
REFUSALS = (NotInReceipt, NotSealed, DoesNotOpen, KeyDestroyed, KeysUnavailable)
NOW = datetime(2026, 11, 22, tzinfo=UTC)


async def test_no_value_opens_in_anothers_place(vault, log, reading, monkeypatch):
    """All pairs of 24 values: two people, two scopes each, three categories, two generations."""
    monkeypatch.setattr(key_table, "MOST_SEALS", 3)
    places = [
        (person, scope)
        for person in (ids.mint("cus"), ids.mint("cus"))
        for scope in (f"account/{person}", f"order/{ids.mint('ord')}")
    ]
    sealed, receipts = {}, {}
    for person, scope in places:
        for generation in range(2):
            values = [(category, f"{scope} {category} {generation}") for category in CLASSES]
            tokens = await vault.seal(person, scope, values, classes=CLASSES)
            for category, token in zip(CLASSES, tokens, strict=True):
                sealed[person, scope, category, generation] = token
            for key in {token[3:33] for token in tokens}:
                vault.keys.count_seals(vault.keys.loaded(key), 3)  # worn out
        for category in CLASSES:
            access = reading((f"/{category}", category, "reveal"), subject=person, scope=scope)
            [receipts[person, scope, category]] = await log.record([access])
    await vault.prepare(sealed.values())
    assert len({token[3:33] for token in sealed.values()}) == 16

    opened, refused = set(), set()
    for (here, token), (there, other) in itertools.product(sealed.items(), repeat=2):
        for parts in itertools.product(*zip(token.split(":"), other.split(":"), strict=True)):
            moved = ":".join(parts)
            for place in (here[:3], there[:3]):
                try:
                    opened.add((vault.open(moved, receipts[place]), moved, place))
                except REFUSALS:
                    refused.add((moved, place))

    # Only what is whole, and only in its own place; an earlier key's value stays good.
    assert opened == {
        (f"{scope} {category} {generation}", token, (person, scope, category))
        for (person, scope, category, generation), token in sealed.items()
    }
    assert len(refused) > 2000


async def test_no_value_opens_under_another_version(vault, log, reading, customer):
    [token] = await vault.seal(
        customer, f"account/{customer}", [("user.name", "Anna")], classes=CLASSES
    )
    [receipt] = await log.record([reading(("/name", "user.name", "reveal"))])
    await vault.prepare([token])
    assert vault.open(token, receipt) == "Anna"

    for version in ("s0", "s2", "s9", "s10", "t1", "b1", "w1", "S1", "", "s"):
        with pytest.raises(NotSealed):
            vault.open(version + token[2:], receipt)


async def test_the_version_is_bound_and_not_only_read(vault, customer):
    """Were there a second version with the same cipher, a relabelled value would not open."""
    [key] = await vault.keys.for_sealing([_place(customer)])
    [token] = await vault.seal(
        customer, f"account/{customer}", [("user.name", "Anna")], classes=CLASSES
    )
    body = base64.urlsafe_b64decode(token.rpartition(":")[2] + "==")
    bound = f"s1|{key.key_id}|user.name|{customer}".encode()

    assert key.cipher.decrypt(body[:12], body[12:], bound) == b"Anna"
    for other in (bound.replace(b"s1|", b"s2|"), b"", bound + b"|"):
        with pytest.raises(InvalidTag):
            key.cipher.decrypt(body[:12], body[12:], other)


def _place(customer):
    return key_table.Place(customer, f"account/{customer}", "identity")
