"""The last head of each log that was signed here, on disk before the signature leaves.

Written whole beside its place, synced, and put there in one step: a kill at any instant leaves
the old head or the new one. A file that is gone is never taken for a fresh start, because
whoever has forgotten what it signed would sign anything: the empty file is made with the key.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import NamedTuple

from privity_transparency.encoding import base64_text, hash_from
from privity_transparency.merkle import EMPTY_ROOT


class Head(NamedTuple):
    size: int
    root: bytes


NOTHING = Head(0, EMPTY_ROOT)


class HeadsHeld(RuntimeError):
    """Another process works with these heads."""


class Heads:
    """Holds the file as long as it lives: two that sign from one history would fork it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Beside it: the file itself is replaced at each step.
        self._lock = path.with_suffix(".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise HeadsHeld(f"{path.name} is held by another process") from None
        try:
            self._heads = _read(path)
        except BaseException:
            self._lock.close()
            raise

    def of(self, origin: str) -> Head:
        return self._heads.get(origin, NOTHING)

    def advance(self, origin: str, head: Head) -> None:
        """Returns when it is durable."""
        heads = {**self._heads, origin: head}
        _write(self._path, heads)
        self._heads = heads

    def close(self) -> None:
        self._lock.close()


def _read(path: Path) -> dict[str, Head]:
    try:
        said = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path.name} is gone, and with it what was signed: put it back, or begin a new log"
        ) from None
    return {
        origin: Head(int(each["size"]), hash_from(each["root"])) for origin, each in said.items()
    }


def _write(path: Path, heads: dict[str, Head]) -> None:
    said = {
        origin: {"size": head.size, "root": base64_text(head.root)}
        for origin, head in heads.items()
    }
    unfinished = path.with_suffix(".unfinished")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(said, file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
