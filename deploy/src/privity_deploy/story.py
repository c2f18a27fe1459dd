"""How a story is told on a terminal."""

import textwrap
from typing import Any


class Story:
    """Numbers the steps and keeps the lines short."""

    def __init__(self) -> None:
        self._step = 0

    def step(self, title: str) -> None:
        self._step += 1
        print(f"\n{self._step}. {title}", flush=True)

    def say(self, text: str) -> None:
        print(textwrap.indent(textwrap.fill(text, 92), "   "), flush=True)

    def show(self, who: str, fields: dict[str, Any]) -> None:
        print(f"   {who} sees:", flush=True)
        for name, value in fields.items():
            print(f"      {name:<12} {value if value is not None else '—'}", flush=True)
