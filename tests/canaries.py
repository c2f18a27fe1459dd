"""Values that occur nowhere else, one for each place that somebody may put them into.

Names in several scripts, mailboxes in domains and phone numbers that are kept for examples,
streets, letters, passwords, codes, numbers that look like those of cards. Whoever finds one of
them finds it by its label, which says where it was put in.
"""

from __future__ import annotations

import itertools
import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from privity_deploy.raw_search import RawSearch

from .doors import NOT_PERSONAL, Door, Json, Request, policy
from .people import Answer

_ALPHABETS = (
    "abcdefghijklmnopqrstuvwxyz",
    "äöüéèêçñøåłśźčřžăîû",
    "αβγδεζηθικλμνξοπρστυφχψω",
    "абвгдежзиклмнопрстуфхцчшщэюя",
    "אבגדהוזחטיכלמנסעפצקרשת",
    "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "あいうえおかきくけこさしすせそたちつてと",
    "春夏秋冬山川田中村石林森金木水火土月星雲",
)


def _letters(count: int, alphabet: str = _ALPHABETS[0]) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(count))


def _name(number: int) -> str:
    alphabet = _ALPHABETS[number % len(_ALPHABETS)]
    return f"{_letters(5, alphabet)} {_letters(7, alphabet)}".title()


def _card(number: int) -> str:
    """With a good check digit, in a range that no issuer has."""
    digits = f"99{secrets.randbelow(10**13):013}"
    doubled = (int(d) * (2 - at % 2) for at, d in enumerate(digits))
    check = -sum(d - 9 if d > 9 else d for d in doubled) % 10
    return f"{digits}{check}"


KINDS: dict[str, Callable[[int], str]] = {
    "name": _name,
    "email": lambda n: f"{_letters(9)}.{n}@{_letters(5)}.example.org",
    "phone": lambda n: f"+4420794600{n % 100:02}" if n < 100 else f"+44207946{n % 1000:04}",
    "street": lambda n: f"{_letters(8).title()}straße {n}",
    "city": lambda n: f"{_letters(9).title()}ingen",
    "text": lambda n: f"Grüße von {_letters(8)}, bitte klingeln bei „{_letters(7)}“ & warten!",
    "password": lambda n: f"{_letters(9)}-{_letters(6)}-{n}?",
    "code": lambda n: f"{secrets.randbelow(10**14):014}",
    "card": _card,
    "word": lambda n: _letters(16),
}
# Of members whose names say what they hold; others that are personal hold a text.
BY_MEMBER = {
    "name": "name",
    "recipient": "name",
    "email": "email",
    "phone": "phone",
    "line1": "street",
    "line2": "street",
    "city": "city",
    "message": "text",
    "content": "text",
    "password": "password",
    "new": "password",
    "code": "code",
}
BY_CATEGORY = {
    "name": "user.name",
    "email": "user.contact.email",
    "phone": "user.contact.phone_number",
    "street": "user.contact.address.street",
    "city": "user.contact.address.city",
    "text": "user.content.private",
}


class Canaries:
    """Makes a value when a place is first named, and remembers it. Several threads may ask."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def of(self, place: str, kind: str) -> str:
        label = f"{kind} in {place}"
        with self._lock:
            if label not in self.values:
                self.values[label] = KINDS[kind](next(self._numbers))
            return self.values[label]

    def fill(self, place: str, body: Any, *, keep: frozenset[str] = frozenset()) -> Any:
        """The same body with a value of its own in each member that a person may write into."""
        if isinstance(body, list):
            return [self.fill(place, entry, keep=keep) for entry in body]
        if not isinstance(body, dict):
            return body
        filled = {}
        for name, value in body.items():
            if name in BY_MEMBER and name not in keep and isinstance(value, str):
                filled[name] = self.of(f"{place} /{name}", BY_MEMBER[name])
            else:
                filled[name] = self.fill(place, value, keep=keep)
        return filled


def told(request: Request, answer: Answer, finder: RawSearch) -> list[str]:
    """What an answer says of planted values and should not: where, and which by label.

    Refusals and headers say nothing of any. What succeeds says what the policy reveals to this
    role for this purpose, in the field of the category that it was put into.
    """
    headers = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    found = finder.text(headers.encode())
    wrong = [f"{request.name}: {label} as {how} in a header" for label, how in sorted(found)]
    seen = finder.text(answer.body)
    if not seen:
        return wrong
    if answer.status >= 400 or request.door is None or request.door.gives is None:
        return wrong + [f"{request.name}: {label} as {how}" for label, how in sorted(seen)]
    for path, category, text in _leaves(json.loads(answer.body), request.door.gives):
        for label, how in sorted(finder.text(text.encode())):
            wanted = BY_CATEGORY.get(label.partition(" ")[0])
            action = policy().table(request.role, request.purpose).get(category)
            # What somebody writes to the shop may speak of anything of theirs.
            fits = category in {wanted, BY_CATEGORY["text"]}
            if not fits or action is None or action.value != "reveal":
                wrong.append(f"{request.name}: {label} as {how} at {path} ({category}, {action})")
    return wrong


def _leaves(value: Any, schema: Json, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Pointer, category and content of everything that is text, names of members too."""
    options = [s for s in schema.get("anyOf", ()) if s.get("type") != "null"]
    schema = {**schema, **options[0]} if options else schema
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield f"{path}/(name)", NOT_PERSONAL, name
            inner = schema.get("properties", {}).get(name, {})
            yield from _leaves(member, inner, f"{path}/{name}")
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from _leaves(entry, schema.get("items", {}), f"{path}/{number}")
    elif isinstance(value, str):
        yield path, schema.get("x-privity-category", NOT_PERSONAL), value


__all__ = ["Canaries", "Door", "told"]
