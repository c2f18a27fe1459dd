"""A request as it came in: who sent it is not known yet, whether it is well formed is."""

import re
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request

from privacy_gateway.domain.intake.card_numbers import CODE, query_holds_card_number
from privity_contracts import ids
from privity_rest import Malformed, NotFound, Refusal

SCOPE_KEY = "privity.arrival"
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})

# One of ours, a UUID, or a trace's id: what is logged of it names nobody.
_REQUEST_ID = re.compile(
    rb"req_[0-9a-hjkmnp-tv-z]{26}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}"
)
# Our paths are words and ids. Anything that could be read as another path does not exist.
_PATH = re.compile(rb"/|(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~:-]+)+/?")
_LENGTH = re.compile(rb"[0-9]{1,12}")
_ONCE = frozenset(
    {
        b"host",
        b"authorization",
        b"content-length",
        b"content-type",
        b"content-encoding",
        b"transfer-encoding",
        b"idempotency-key",
        b"origin",
        b"request-id",
        b"if-match",
        b"webhook-id",
        b"webhook-timestamp",
        b"webhook-signature",
    }
)
_JSON = re.compile(rb'application/json(?:\s*;\s*charset\s*=\s*"?utf-8"?)?', re.IGNORECASE)
_FORM = re.compile(
    rb'application/x-www-form-urlencoded(?:\s*;\s*charset\s*=\s*"?utf-8"?)?', re.IGNORECASE
)


class MethodNotAllowed(Refusal):
    status, code, title = 405, "method_not_allowed", "This method is not used here"


class TooSlow(Refusal):
    status, code, title = 408, "body_too_slow", "The body did not arrive in time"


class TooLarge(Refusal):
    status, code, title = 413, "body_too_large", "The body is too large"


class UrlTooLong(Refusal):
    status, code, title = 414, "url_too_long", "The address is too long"


class NotThisMediaType(Refusal):
    status, code, title = 415, "unsupported_media_type", "The body has to be JSON in UTF-8"


class HeadersTooLarge(Refusal):
    status, code, title = 431, "headers_too_large", "The headers are too many or too large"


@dataclass(frozen=True, slots=True)
class Limits:
    body_bytes: int = 64 * 1024
    body_seconds: float = 10
    answer_seconds: float = 30
    headers: int = 64
    header_bytes: int = 16 * 1024
    url_bytes: int = 2048


@dataclass(slots=True)
class Arrival:
    """What the edge knows of a request, and what the application tells the edge."""

    request_id: str
    headers: dict[bytes, bytes] = field(default_factory=dict)
    """In lower case, each once."""
    body: bytes = b""

    # For the log line: set by whoever finds out.
    route: str | None = None
    actor: str | None = None
    purpose: str | None = None

    # What may differ from the strictest, for a page or a document that anyone may keep.
    cache_control: bytes = b"no-store"
    content_security_policy: bytes = b"default-src 'none'; frame-ancestors 'none'"


def of(request: Request) -> Arrival:
    """For routes behind the edge."""
    arrival: Arrival = request.scope[SCOPE_KEY]
    return arrival


def arrive(scope: dict[str, Any]) -> Arrival:
    """A client's Request-Id is kept when only a program would write it."""
    for name, value in scope["headers"]:
        if name == b"request-id" and _REQUEST_ID.fullmatch(value):
            return Arrival(request_id=value.decode())
    return Arrival(request_id=ids.mint("req"))


def read_head(arrival: Arrival, scope: dict[str, Any], limits: Limits) -> None:
    """Fills in the headers. Raises the refusal for a request that is not in order."""
    _read_headers(arrival, scope["headers"], limits)
    path, query = scope["raw_path"], scope["query_string"]
    if len(path) + len(query) > limits.url_bytes:
        raise UrlTooLong
    if _PATH.fullmatch(path) is None:
        raise NotFound
    if b"host" not in arrival.headers and scope["http_version"] != "1.0":
        raise Malformed(errors=[("", "host_missing")])
    if query and query_holds_card_number(query):
        raise Malformed(errors=[("", CODE)])


def _read_headers(arrival: Arrival, raw: list[tuple[bytes, bytes]], limits: Limits) -> None:
    headers = arrival.headers
    if len(raw) > limits.headers:
        raise HeadersTooLarge
    size = 0
    for name, value in raw:
        size += len(name) + len(value)
        if name not in headers:
            headers[name] = value
        elif name in _ONCE or name.startswith(b"privity-"):
            raise Malformed(errors=[("", "duplicate_header")])
        else:
            headers[name] += b", " + value
    if size > limits.header_bytes:
        raise HeadersTooLarge


def expects_body(arrival: Arrival, method: str, limits: Limits, *, form: bool) -> bool:
    """Whether a body follows; raises the refusal for one that will not be read."""
    headers = arrival.headers
    length, encoding = headers.get(b"content-length"), headers.get(b"transfer-encoding")
    if encoding is None and (length is None or length == b"0"):
        return False
    if encoding is not None and length is not None:
        raise Malformed(errors=[("", "two_lengths")])
    if length is not None and _LENGTH.fullmatch(length) is None:
        raise Malformed(errors=[("", "content_length")])
    if method not in WITH_BODY:
        raise Malformed(errors=[("", "body_not_expected")])
    if length is not None and int(length) > limits.body_bytes:
        raise TooLarge
    expected = _FORM if form else _JSON
    if b"content-encoding" in headers or not expected.fullmatch(headers.get(b"content-type", b"")):
        raise NotThisMediaType
    return True
