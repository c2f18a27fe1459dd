"""Requests with planted values, asked of the running shop, and every answer kept."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from .canaries import Canaries
from .doors import Request
from .hostile import Wrong
from .people import Answer, Someone

AT_ONCE = 4


@dataclass(slots=True)
class Drive:
    canaries: Canaries
    answers: list[tuple[Request, Answer]] = field(default_factory=list)
    ways: Counter[str] = field(default_factory=Counter)
    _others: dict[Any, Someone] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, way: str, request: Request, *, at: str | None = None) -> Answer | None:
        """`at`: another gateway. Nothing when no answer came: a process was killed, or the client's
        own library will not send it."""
        who = request.who if at is None else self._elsewhere(request.who, at)
        wrong = Wrong(way, request.method, request.path, request.headers or {})
        return self._send(way, request, who, wrong, request.body)

    def _elsewhere(self, who: Someone, url: str) -> Someone:
        """Made once: a client takes longer to make than to use."""
        key = (url, *sorted(who.headers.items()))
        with self._lock:
            if key not in self._others:
                self._others[key] = who.elsewhere(url)
            return self._others[key]

    def ask_wrongly(self, request: Request, wrong: Wrong) -> None:
        named = replace(request, name=f"{request.name}, {wrong.how}", door=None)
        self._send(wrong.how.partition(":")[0], named, request.who, wrong)

    def _send(
        self, way: str, request: Request, who: Someone, wrong: Wrong, body: Any = None
    ) -> Answer | None:
        headers = {name.encode(): _bytes(value) for name, value in wrong.headers.items()}
        try:
            answer = who.ask(wrong.method, wrong.path, body, headers=headers, content=wrong.content)
        except (httpx.HTTPError, UnicodeError, ValueError):
            return None
        with self._lock:
            self.answers.append((request, answer))
            self.ways[way] += 1
        return answer

    def at_once(self, what: Iterable[Callable[[], object]]) -> None:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for done in [threads.submit(each) for each in what]:
                done.result()


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
