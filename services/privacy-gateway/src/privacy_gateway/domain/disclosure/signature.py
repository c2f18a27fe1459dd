"""Signatures of webhooks, ours and our partners', as Standard Webhooks says.

The library computes them. Reading headers stays with us: it lets malformed ones through as errors
of many kinds, and takes the time from a clock of its own.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook

TOLERANCE_SECONDS = 300
SIGNATURES_READ = 8
_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")  # no full stop: it parts the id from the time
_SECONDS = re.compile(r"[0-9]{1,11}")


class NotSigned(Exception):
    """Not signed by whoever holds one of the secrets, or not just now."""


def sign(
    body: bytes, *, message_id: str, signing_secrets: Sequence[str], now: datetime
) -> dict[str, str]:
    """The headers. One signature for each secret, so that a partner can change over in peace."""
    signatures = [_signature(secret, message_id, now, body) for secret in signing_secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def verify(
    untrusted_body: bytes,
    untrusted_headers: Mapping[str, str],
    *,
    accepted_secrets: Sequence[str],
    now: datetime,
) -> str:
    """The message's id. Raises NotSigned, for every reason alike."""
    message_id = untrusted_headers.get("webhook-id", "")
    seconds = untrusted_headers.get("webhook-timestamp", "")
    if _ID.fullmatch(message_id) is None or _SECONDS.fullmatch(seconds) is None:
        raise NotSigned
    if abs(now.timestamp() - int(seconds)) > TOLERANCE_SECONDS:
        raise NotSigned
    presented = untrusted_headers.get("webhook-signature", "").split(" ")[:SIGNATURES_READ]
    signed_at = datetime.fromtimestamp(int(seconds), UTC)
    try:
        expected = [
            _signature(secret, message_id, signed_at, untrusted_body).encode()
            for secret in accepted_secrets
        ]
    except UnicodeDecodeError:
        raise NotSigned from None
    # Every pair is compared: how long it takes does not tell which of them was close.
    matches = [
        hmac.compare_digest(text.encode("utf-8", "replace"), one)
        for text in presented
        for one in expected
    ]
    if not any(matches):
        raise NotSigned
    return message_id


def _signature(secret: str, message_id: str, at: datetime, body: bytes) -> str:
    # The library takes any time for UTC; ours is.
    return str(Webhook(secret).sign(message_id, at.astimezone(UTC), body.decode()))
