"""Passwords of staff: argon2id, a bounded number at a time, the same time for nobody."""

import asyncio
import hmac
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST, LONGEST = 12, 1024


class Passwords:
    """Holds what a check costs: threads and the memory that each hash takes."""

    def __init__(
        self, hasher: PasswordHasher | None = None, *, mark_key: bytes, at_once: int = 2
    ) -> None:
        self._hasher = hasher or PasswordHasher()  # RFC 9106, second recommended option
        self._mark_key = mark_key
        self._free = asyncio.Semaphore(at_once)

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash("a password that nobody has")

    def hash(self, password: str) -> str:
        """Raises ValueError for one that is too short to be worth hashing."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise ValueError(f"a password has {SHORTEST} to {LONGEST} characters")
        return self._hasher.hash(password)

    def is_hash(self, text: str) -> bool:
        try:
            self._hasher.check_needs_rehash(text)
        except InvalidHashError:
            return False
        return text.startswith("$argon2id$")

    def matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    def mark(self, hashed: str, password: str) -> str:
        """That this hash is this password's, told in a microsecond to whoever has the key.

        Only for passwords that stand in a file beside that key: to others it says nothing.
        """
        text = f"{hashed}\n{password}".encode()
        return hmac.digest(self._mark_key, text, "sha256").hex()

    def is_marked(self, mark: str | None, hashed: str, password: str) -> bool:
        return mark is not None and hmac.compare_digest(mark, self.mark(hashed, password))

    async def check(self, stored: str | None, password: str) -> bool:
        """As slow for somebody who does not exist (`stored` is None) as for everybody else."""
        async with self._free:
            right = await asyncio.to_thread(self._matches, stored, password)
        return right and stored is not None

    def _matches(self, stored: str | None, password: str) -> bool:
        nobodys = self._nobodys  # made the first time, for whoever asks then, known here or not
        return self.matches(nobodys if stored is None else stored, password)
