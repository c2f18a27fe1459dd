"""Where a page ended, as text that only this gateway can make, for one search only."""

import base64
import hmac
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from privity_rest import Unprocessable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SIGNATURE_BYTES = 16


class BadCursor(Unprocessable):
    code, title = "bad_cursor", "The cursor is not one of this search"


class Position(NamedTuple):
    recorded_at: datetime
    record_id: str


class Cursors:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, position: Position, search: object) -> str:
        """`search` is what the cursor belongs to; its repr tells searches apart."""
        moment = (position.recorded_at - _EPOCH) // timedelta(microseconds=1)
        content = moment.to_bytes(8, "big") + position.record_id.encode()
        signed = content + self._signature(content, search)
        return base64.urlsafe_b64encode(signed).rstrip(b"=").decode()

    def read(self, cursor: str, search: object) -> Position:
        try:
            signed = base64.urlsafe_b64decode(cursor + "=="[: -len(cursor) % 4])
        except ValueError:
            raise BadCursor(errors=[("/cursor", BadCursor.code)]) from None
        content, signature = signed[:-_SIGNATURE_BYTES], signed[-_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(content, search)):
            raise BadCursor(errors=[("/cursor", BadCursor.code)])
        moment = _EPOCH + timedelta(microseconds=int.from_bytes(content[:8], "big"))
        return Position(moment, content[8:].decode())

    def _signature(self, content: bytes, search: object) -> bytes:
        message = content + repr(search).encode()
        return hmac.digest(self._key, message, "sha256")[:_SIGNATURE_BYTES]
