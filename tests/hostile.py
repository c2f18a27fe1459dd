"""Requests that go wrong at the door, with planted values wherever bytes can stand.

At a whole request, which a door takes, one thing is made wrong at a time: a part of the address,
a header, the method, the type of the body, its form, its members, its size.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from .canaries import Canaries
from .doors import Json, Request

KINDS = ("name", "email", "word", "phone")
Headers = Mapping[str, str | bytes]
# Where clients, proxies and tracers put what they know.
CARRIERS = (
    "Cookie", "User-Agent", "Referer", "X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "From",
    "X-Request-Id", "traceparent", "tracestate", "baggage", "Accept-Language", "If-None-Match",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wrong:
    """A request as it is sent."""

    how: str
    method: str
    path: str
    headers: Headers = field(default_factory=dict)
    content: bytes | None = None


def wrong_requests(request: Request, canaries: Canaries, *, thorough: bool) -> Iterator[Wrong]:
    """`thorough`: cut at every byte and each member by itself; else a few of each."""
    yield from _addresses(request, canaries)
    yield from _heads(request, canaries)
    if request.body is not None:
        place = f"{request.method} {_template(request)}"
        body = canaries.fill(f"{place} (refused)", request.body)
        headers = dict(request.headers or {})
        for how, content, changes in _bodies(body, canaries, thorough=thorough):
            yield Wrong(how, request.method, request.path, {**headers, **changes}, content)


def _template(request: Request) -> str:
    return request.door.path if request.door else request.path


def _addresses(request: Request, canaries: Canaries) -> Iterator[Wrong]:
    method, path = request.method, request.path
    content = None if request.body is None else json.dumps(request.body).encode()
    headers = dict(request.headers or {})
    parts = path.split("/")
    for at, kind in zip(range(2, len(parts)), itertools.cycle(KINDS), strict=False):
        value = quote(canaries.of("an address", kind), safe="")
        there = "/".join([*parts[:at], value, *parts[at + 1 :]])
        yield Wrong("path", method, there, headers, content)
    name, email, card = (canaries.of("a query", kind) for kind in ("name", "email", "card"))
    for query in ({"q": name}, {email: "1"}, {"limit": email}, {"cursor": name}, {"q": card}):
        yield Wrong("query", method, f"{path}?{urlencode(query)}", headers, content)


def _heads(request: Request, canaries: Canaries) -> Iterator[Wrong]:
    method, path, given = request.method, request.path, dict(request.headers or {})
    content = None if request.body is None else json.dumps(request.body).encode()
    many: dict[str, str | bytes] = {
        name: f"v={canaries.of('headers', kind)}".encode()
        for name, kind in zip(CARRIERS, itertools.cycle(KINDS), strict=False)
    }
    many[canaries.of("a header's name", "word")] = "1"
    # Without its token nothing is done, and all the rest of it has arrived.
    word, email = canaries.of("a credential", "word"), canaries.of("a credential", "email")
    no_token = {"Authorization": f"Bearer {word}.{word}.{word}"}
    yield Wrong("headers", method, path, {**given, **many, **no_token}, content)
    basic = {"Authorization": f"Basic {email}", "Privity-Service": word}
    yield Wrong("credentials", method, path, {**given, **basic}, content)
    key = f"{canaries.of('an idempotency key', 'email')} {word}"
    yield Wrong("idempotency key", method, path, {**given, **no_token, "Idempotency-Key": key})
    host = f"{canaries.of('a host', 'word')}.example.org"
    places = {"Host": host, "Origin": f"https://{host}"}
    yield Wrong("host and origin", method, path, {**given, **no_token, **places})
    yield Wrong("method", canaries.of("a method", "word").upper(), path, given)


def _bodies(
    body: Json, canaries: Canaries, *, thorough: bool
) -> Iterator[tuple[str, bytes, Headers]]:
    whole = json.dumps(body, ensure_ascii=False).encode()
    cuts = range(1, len(whole)) if thorough else (len(whole) // 2, len(whole) * 4 // 5)
    for at in cuts:
        yield "cut", whole[:at], {}
    yield (
        "broken in the middle",
        whole[: len(whole) // 2] + b"\x01}{" + whole[len(whole) // 2 :],
        {},
    )
    yield from ((how, json.dumps(made).encode(), {}) for how, made in _wrong_types(body, thorough))
    long = {n: v * 600 if isinstance(v, str) else v for n, v in body.items()}
    yield "too long", json.dumps(long).encode(), {}
    yield "card", json.dumps({**body, **_texts(body, canaries.of("a body", "card"))}).encode(), {}
    name, value = canaries.of("a member's name", "name"), canaries.of("an unknown member", "text")
    yield "unknown member", json.dumps({**body, "gift_message": value}).encode(), {}
    yield (
        "unknown name",
        json.dumps({**body, name: value, f"{name}@x": {name: [value]}}).encode(),
        {},
    )
    doubled = whole[:-1] + b"," + whole[1:]
    yield "members twice", doubled, {}
    yield "NaN", whole[:-1] + f', "{name}": NaN}}'.encode(), {}
    yield "half a character", whole[:-1] + f', "{name}": "\\ud800{value}"}}'.encode(), {}
    yield "NUL", json.dumps({**body, **_texts(body, f"{value}\0")}).encode(), {}
    yield "a list", json.dumps([body, value]).encode(), {}
    yield "a text", json.dumps(value).encode(), {}
    yield "deep", b'{"a":' * 200 + whole + b"}" * 200, {}
    yield "Latin-1", value.encode("latin-1", "replace"), {}
    utf16 = {"Content-Type": "application/json; charset=utf-16"}
    yield "UTF-16", whole.decode().encode("utf-16"), utf16
    yield "plain text", whole, {"Content-Type": "text/plain"}
    form = urlencode({n: str(v) for n, v in body.items()}).encode()
    yield "form", form, {"Content-Type": "application/x-www-form-urlencoded"}
    yield "form said to be JSON", form, {}
    odd = canaries.of("a content type", "word")
    yield "type of its own", whole, {"Content-Type": f"application/{odd}; {odd}={odd}"}
    yield "too large", whole + value.encode() * 1500, {}


def _wrong_types(body: Json, thorough: bool) -> Iterator[tuple[str, Json]]:
    """What is a text becomes a list, a member or a number of the same digits, and so on."""
    wrongs = (
        lambda v: [v],
        lambda v: {str(v): v},
        lambda v: f"{v}\u202e",
        lambda v: int("".join(c for c in str(v) if c.isdigit()) or 7),
    )
    for change in wrongs:
        if thorough:
            for name in body:
                yield f"type of {name}", {**body, name: change(body[name])}
        yield "types", {name: change(value) for name, value in body.items()}


def _texts(body: Json, value: Any) -> Json:
    return {name: value for name, before in body.items() if isinstance(before, str)}
