"""Verified tokens, so that a token's signature is checked once and not at every request."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from privacy_gateway.domain.tokens.caller import Caller
from privacy_gateway.domain.tokens.jose import Claims


@dataclass(slots=True)
class Verified:
    caller: Caller
    claims: Claims
    generation: int
    """Of the revocations that it was last held against."""


class TokenCache:
    """The least recently used goes first. Keyed by hash: a memory dump holds no usable token."""

    def __init__(self, capacity: int = 20_000) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[bytes, Verified] = OrderedDict()

    @staticmethod
    def key(token: bytes) -> bytes:
        return hashlib.sha256(token).digest()

    def get(self, key: bytes) -> Verified | None:
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: bytes, entry: Verified) -> None:
        self._entries[key] = entry
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    def drop(self, key: bytes) -> None:
        self._entries.pop(key, None)

    def clear(self) -> None:
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)
