"""Data keys that were used a moment ago: few of them, not for long, and only under a lease.

Nothing is given when the lease has run out: a key may have been destroyed in the meantime.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class Place(NamedTuple):
    """What has one data key of its own."""

    subject: str
    scope: str
    retention_class: str


@dataclass(slots=True, eq=False)
class DataKey:
    key_id: str
    place: Place
    created_at: datetime
    cipher: AESGCM = field(repr=False)
    tagging: bytes = field(repr=False)
    """For hashes under the person's key; never the bytes that the cipher uses."""
    is_current: bool
    """A retired key opens and no longer seals."""
    is_old: bool
    seals_left: int
    tags: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)
    """Those made so far, by month and what they stand for; they are forgotten with the key."""

    @property
    def is_worn(self) -> bool:
        return self.is_old or self.seals_left <= 0


class _Held(NamedTuple):
    key: DataKey | None
    fresh_until: float
    until: float


class KeyCache:
    def __init__(
        self,
        *,
        size: int,
        life_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._size = size
        self._life = life_seconds
        # Loaded anew somewhat before it expires, so that a key does not go between the moment
        # it is asked for and the moment, a recording later, when it is used.
        self._fresh = life_seconds * 0.8
        self._clock = clock
        self._by_id: OrderedDict[str, _Held] = OrderedDict()
        self._by_place: dict[Place, str] = {}
        self.leased_until = float("-inf")

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, key_id: str) -> DataKey | None:
        """The key, or nothing when it is destroyed. Raises KeyError when that is not known."""
        held = self._by_id[key_id]
        now = self._clock()
        if now > held.until or now >= self.leased_until:
            raise KeyError(key_id)
        return held.key

    def is_fresh(self, key_id: str) -> bool:
        held = self._by_id.get(key_id)
        if held is None:
            return False
        now = self._clock()
        if now > held.fresh_until or now >= self.leased_until:
            return False
        self._by_id.move_to_end(key_id)
        return True

    def at(self, place: Place) -> DataKey | None:
        """The key of the place if it is fresh."""
        key_id = self._by_place.get(place)
        return self._by_id[key_id].key if key_id is not None and self.is_fresh(key_id) else None

    def hold(self, key: DataKey) -> None:
        self._put(key.key_id, key)
        if key.is_current:
            self._by_place[key.place] = key.key_id

    def hold_destroyed(self, key_id: str) -> None:
        self._put(key_id, None)

    def forget(self, key_ids: Iterable[str]) -> None:
        for key_id in key_ids:
            self._remove(key_id)

    def clear(self) -> None:
        self._by_id.clear()
        self._by_place.clear()

    def _put(self, key_id: str, key: DataKey | None) -> None:
        self._remove(key_id)
        now = self._clock()
        self._by_id[key_id] = _Held(key, now + self._fresh, now + self._life)
        while len(self._by_id) > self._size:
            self._remove(next(iter(self._by_id)))

    def _remove(self, key_id: str) -> None:
        held = self._by_id.pop(key_id, None)
        if held is not None and held.key is not None:
            place = held.key.place
            if self._by_place.get(place) == key_id:
                del self._by_place[place]
