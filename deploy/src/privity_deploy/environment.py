"""What a process is told: its command and environment with the placeholders filled in."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from privity_deploy.tables import Process, TableRefused

PLACEHOLDER = re.compile(r"\{([a-z_]+)(?::([A-Za-z0-9_./-]+))?\}")

# Nothing else is handed down: the shell that starts the shop may know how to administer the
# database server, and no service may.
HANDED_DOWN = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")


LookUp = Callable[[str, str | None], str | None]
"""The value of a placeholder `{kind:name}` or `{kind}`; nothing when there is none."""


def command_of(process: Process, look_up: LookUp) -> list[str]:
    return [_filled(part, process, look_up) for part in process.command]


def environment_of(process: Process, look_up: LookUp) -> dict[str, str]:
    environment = {name: os.environ[name] for name in HANDED_DOWN if name in os.environ}
    environment["PYTHONUNBUFFERED"] = "1"
    for name, value in process.env.items():
        filled = _filled(value, process, look_up)
        environment[name] = filled if isinstance(filled, str) else json.dumps(filled)
    return environment


def _filled(value: Any, process: Process, look_up: LookUp) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled(inner, process, look_up) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, process, look_up) for inner in value]
    if not isinstance(value, str):
        return value

    def value_of(match: re.Match[str]) -> str:
        found = look_up(match[1], match[2])
        if found is None:
            raise TableRefused(f"process {process.name}: nothing is known as {match[0]}")
        return found

    return PLACEHOLDER.sub(value_of, value)
