"""One-time codes: eight digits, sent by mail, that show who can read a mailbox.

A code is stored in no form. It is computed from a random salt in the database and a key that is
not there: a dump yields no code and nothing to try codes against (a plain hash of eight digits is
searched through in a second), the key alone yields none either, and a job that runs twice sends
the same letter twice instead of two letters of which one is void.
"""

import hmac
import os

from privity_contracts import Secret

MOST_ATTEMPTS = 5
_SEPARATORS = str.maketrans("", "", " \t-\u00a0")


def fresh_salt() -> bytes:
    return os.urandom(16)


class OneTimeCodes:
    """Holds the key."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def code(self, *, request_id: str, salt: bytes) -> str:
        digest = hmac.digest(self._key, b"code|" + request_id.encode() + b"|" + salt, "sha256")
        return f"{int.from_bytes(digest[:16], 'big') % 10**8:08d}"

    def matches(self, presented: Secret, *, request_id: str, salt: bytes | None) -> bool:
        """Without a salt nothing matches, after the same work."""
        expected = self.code(request_id=request_id, salt=salt or bytes(16))
        typed = presented.reveal().translate(_SEPARATORS)
        return hmac.compare_digest(typed.encode(), expected.encode()) and salt is not None
