"""Passwords of staff: argon2id, a bounded number at a time, the same time for nobody."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST, LONGEST = 12, 1024


class Passwords:
    """Holds what a check costs: threads and the memory that each hash takes."""

    def __init__(self, hasher: PasswordHasher | None = None, *, at_once: int = 2) -> None:
        self._hasher = hasher or PasswordHasher()  # RFC 9106, second recommended option
        self._free = asyncio.Semaphore(at_once)
        self._nobodys = self._hasher.hash("a password that nobody has")

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

    async def check(self, stored: str | None, password: str) -> bool:
        """As slow for somebody who does not exist (`stored` is None) as for everybody else."""
        async with self._free:
            right = await asyncio.to_thread(self.matches, stored or self._nobodys, password)
        return right and stored is not None
