"""Sealing, and the one function that opens.

Nothing is opened without a receipt of the audit store, and only what the receipt names: this
subject, this scope, this category. A service that answers with a stranger's sealed value, by a
mistake in its authorisation, gets it no further than here.
"""

import base64
import hmac
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from privacy_gateway.domain.audit.access import Receipt
from privacy_gateway.domain.vault import sealing
from privacy_gateway.domain.vault.data_keys import AUDIT_TAG, DataKeys, KeyDestroyed
from privacy_gateway.domain.vault.key_cache import DataKey, Place
from privacy_gateway.domain.vault.owners import Owners
from privacy_gateway.domain.vault.rings import RingKey
from privity_contracts import ids
from privity_rest import NotAllowed

SHOWN = 512
"""Receipts that are held against the store afterwards, of those shown between two looks."""


class NotInReceipt(NotAllowed):
    code, title = "not_in_receipt", "No record allows this to be opened"


class Vault:
    """Holds the keys. `opened` and `recorded` are equal, or something opened without a receipt."""

    def __init__(self, keys: DataKeys, *, index_key: bytes, request_key: bytes) -> None:
        for key in (index_key, request_key):
            if len(key) < 32:
                raise ValueError("a key for keyed hashes has 32 bytes")
        self.keys = keys
        self._owners = Owners(keys)
        self._index_keys: Sequence[tuple[int, bytes]] = ((0, index_key),)
        self._request_key = request_key
        self.opened = 0
        self.recorded = 0
        self.broken = 0
        self._shown: deque[str] = deque(maxlen=SHOWN)

    async def seal(
        self,
        subject: str,
        scope: str,
        values: Sequence[tuple[str, str]],
        *,
        classes: Mapping[str, str],
    ) -> list[str]:
        """Seals pairs of category and plaintext; `classes` gives each category's retention class.

        Raises KeyDestroyed when what they belong to was deleted.
        """
        needed = list(dict.fromkeys(classes[category] for category, _ in values))
        held = await self.keys.for_sealing([Place(subject, scope, each) for each in needed])
        keys = dict(zip(needed, held, strict=True))
        for category, _ in values:
            self.keys.count_seals(keys[classes[category]], 1)
        return [_sealed(keys[classes[category]], category, text) for category, text in values]

    async def prepare(self, tokens: Iterable[str], *, persons: Iterable[str] = ()) -> None:
        """Loads what opening needs; for `persons`, also what their records need.

        What is destroyed or no sealed value at all raises when it is opened, not here. Asked for
        again after something was awaited, it loads what has gone from memory in the meantime.
        """
        key_ids = {token[3:33] for token in tokens}
        await self.keys.load(key_ids, [_tag_place(person) for person in persons])

    def open(self, token: str, receipt: Receipt) -> str:
        """The plaintext. Raises NotInReceipt, KeyDestroyed, or what `sealing` raises."""
        parts = sealing.parse(token)
        key = self.keys.loaded(parts.key_id)
        self._check(parts, key, receipt, receipt.openable)
        return self._decrypted(parts, key)

    async def reseal(
        self,
        token: str,
        receipt: Receipt,
        subject: str,
        scope: str,
        *,
        classes: Mapping[str, str],
    ) -> str:
        """Carries a value into another scope of the same person."""
        if subject != receipt.subject:
            raise NotInReceipt("a value is carried within what belongs to one person")
        parts = sealing.parse(token)
        place = Place(subject, scope, classes[parts.category])
        # Before the old key is looked up: waiting could outlive its place in the cache.
        (target,) = await self.keys.for_sealing([place])
        await self.prepare([token])
        key = self.keys.loaded(parts.key_id)
        self._check(parts, key, receipt, receipt.carriable)
        self.keys.count_seals(target, 1)
        return _sealed(target, parts.category, self._decrypted(parts, key))

    def _check(
        self,
        parts: sealing.Parts,
        key: DataKey,
        receipt: Receipt,
        categories: Collection[str],
    ) -> None:
        place = key.place
        if (
            place.subject != receipt.subject
            or place.scope != receipt.scope
            or parts.category not in categories
        ):
            raise NotInReceipt(f"record {receipt.record_id} does not cover {parts.key_id}")
        self.recorded += 1
        self._shown.append(receipt.record_id)

    def shown(self) -> list[str]:
        """The records whose receipts were shown last, since this was asked last."""
        shown = list(dict.fromkeys(self._shown))
        self._shown.clear()
        return shown

    def _decrypted(self, parts: sealing.Parts, key: DataKey) -> str:
        try:
            text = sealing.open_sealed(parts, cipher=key.cipher, subject=key.place.subject)
        except sealing.DoesNotOpen:
            self.broken += 1
            raise
        self.opened += 1
        return text

    def use_index_keys(self, keys: Sequence[RingKey]) -> None:
        """All that count, each by its generation: two while one takes over from another."""
        self._index_keys = sorted((key.generation, key.material) for key in keys)

    async def blind_index(self, category: str, normalised: str) -> str:
        """Equal for equal values of a category, and nothing else can be learned from it.

        Raises KeysUnavailable when this process may not know by which keys others compare.
        """
        await self.keys.require_lease()
        return self._blind_index(category, normalised)

    def reindex(self, token: str, receipt: Receipt, form: Callable[[str], str]) -> str:
        """The blind index of a prepared sealed value, by the keys that count now; `form` is what
        equality compares. The value itself goes nowhere.

        Raises what `open` raises.
        """
        parts = sealing.parse(token)
        key = self.keys.loaded(parts.key_id)
        self._check(parts, key, receipt, receipt.comparable)
        return self._blind_index(parts.category, form(self._decrypted(parts, key)))

    def _blind_index(self, category: str, normalised: str) -> str:
        content = f"b1|{category}|{normalised}".encode()
        return ",".join(
            f"b1:{generation}:{_text(hmac.digest(key, content, 'sha256')[:24])}"
            for generation, key in self._index_keys
        )

    def fingerprint(self, content: bytes) -> str:
        """Tells whether two request bodies are the same, to those who may read neither."""
        return _text(hmac.digest(self._request_key, b"fingerprint|" + content, "sha256"))

    def deterministic_id(self, prefix: str, *parts: str) -> str:
        """The same id for the same parts, so that a retry meets the same resource and key."""
        # Lengths first: ("ab", "c") and ("a", "bc") are different parts.
        message = "".join(f"|{len(part)}|{part}" for part in (prefix, *parts))
        digest = hmac.digest(self._request_key, f"id{message}".encode(), "sha256")
        return f"{prefix}_{ids.encode(digest[:16])}"

    def derived_key(self, purpose: str) -> bytes:
        """A key for something else that must be signed, such as the cursor of a page."""
        return hmac.digest(self._request_key, f"derived|{purpose}".encode(), "sha256")

    async def tag(self, person: str, month: str, what: str) -> str:
        """A pseudonym that only the person's own key can link to them. Raises KeyDestroyed."""
        found = (await self.tags(month, [(person, what)]))[person, what]
        if found is None:
            raise KeyDestroyed("the person's key is destroyed")
        return found

    async def tags(
        self, month: str, wanted: Collection[tuple[str, str]], *, minting: bool = True
    ) -> dict[tuple[str, str], str | None]:
        """Tags for pairs of a person and what of theirs is meant.

        Nothing stands for a person whose key is gone or, without `minting`, never was.
        """
        places = {person: _tag_place(person) for person, _ in wanted}
        held = await self.keys.at(places.values(), minting=minting)
        tags: dict[tuple[str, str], str | None] = {}
        for person, what in wanted:
            key = held.get(places[person])
            tags[person, what] = None if key is None else _tag(key, month, what)
        return tags

    async def known_since(self, person: str) -> datetime | None:
        """When the person's first tag was made; nothing when there is none, or none any more."""
        place = _tag_place(person)
        key = (await self.keys.at([place], minting=False)).get(place)
        return None if key is None else key.created_at

    async def owners(self, scopes: Collection[str]) -> dict[str, str]:
        """Whose each scope is; absent where nothing was ever sealed. Raises KeysUnavailable."""
        return await self._owners.of(scopes)

    def subject_of(self, token: str) -> str:
        """Whose a prepared sealed value is, without opening it. Raises KeyDestroyed."""
        return self.keys.loaded(sealing.parse(token).key_id).place.subject


def _tag(key: DataKey, month: str, what: str) -> str:
    found = key.tags.get((month, what))
    if found is None:
        digest = hmac.digest(key.tagging, f"t1|{month}|{what}".encode(), "sha256")
        found = key.tags[month, what] = f"t1:{_text(digest[:16])}"
    return found


@lru_cache(maxsize=20_000)
def _tag_place(person: str) -> Place:
    return Place(person, f"account/{person}", AUDIT_TAG)


def _sealed(key: DataKey, category: str, plaintext: str) -> str:
    return sealing.seal(
        plaintext,
        cipher=key.cipher,
        key_id=key.key_id,
        category=category,
        subject=key.place.subject,
    )


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
