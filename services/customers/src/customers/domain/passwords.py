"""What a password must be, and how it is kept: argon2id, computed beside the event loop."""

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from privity_contracts import Secret
from privity_rest import Unavailable, Unprocessable

Result = TypeVar("Result")

SHORTEST = 10
FEWEST_DIFFERENT = 4
MOST_WAITING = 64


class PasswordTooWeak(Unprocessable):
    code = "password_too_weak"
    title = "The password is too easy to guess"


class Busy(Unavailable):
    code = "busy"
    title = "Too many sign-ins at this moment"


def require_strength(password: Secret, *, field: str) -> None:
    """Length counts, composition rules do not: they make passwords worse (NIST SP 800-63B)."""
    text = _normal(password)
    if len(text) < SHORTEST:
        raise PasswordTooWeak(errors=[(f"/{field}", "too_short")])
    if len(set(text)) < FEWEST_DIFFERENT:
        raise PasswordTooWeak(errors=[(f"/{field}", "too_uniform")])


def _normal(password: Secret) -> str:
    # Keyboards write the same letter in different ways.
    return unicodedata.normalize("NFKC", password.reveal())


class Passwords:
    """Hashes and checks on threads of its own, a few at a time: each takes a core and memory."""

    def __init__(self, *, memory_kib: int, passes: int, threads: int) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._unfinished = 0
        # Nobody's password. An account whose hash has older parameters takes another time than
        # this one does, until its owner signs in; we accept that.
        self._nobody = self._hasher.hash(secrets.token_hex(16))

    async def hash(self, password: Secret) -> str:
        return await self._computed(lambda: self._hasher.hash(_normal(password)))

    async def matches(self, password: Secret, stored: str | None) -> bool:
        """False without a stored hash, after the same work."""
        compared = stored or self._nobody

        def verify() -> bool:
            try:
                return self._hasher.verify(compared, _normal(password))
            except VerifyMismatchError:
                return False

        return await self._computed(verify) and stored is not None

    def is_outdated(self, stored: str) -> bool:
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)

    async def _computed(self, work: Callable[[], Result]) -> Result:
        # Whoever comes next would wait for longer than clients do.
        if self._unfinished >= MOST_WAITING:
            raise Busy(retry_after=5)
        self._unfinished += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._unfinished -= 1
