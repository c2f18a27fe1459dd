"""Whether a stack runs on a data folder, and where: one at a time, found by those who ask."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


class AlreadyRunning(Exception):
    """Another stack works on this data."""


@dataclass(frozen=True)
class Running:
    """What a stack tells those who come later; paths as text, ports as `carrier.http`."""

    process_id: int
    url: str
    ports: dict[str, int]
    sockets: dict[str, str]
    secrets_dir: str
    logs_dir: str
    postgres_data_dir: str | None
    admin_url: str
    databases: dict[str, str]


class Presence:
    """A lock that ends with the process, however that ends, and a note beside it."""

    def __init__(self, folder: Path) -> None:
        self._lock_file = folder / "lock"
        self._note = folder / "stack.json"
        self._descriptor: int | None = None

    def claim(self) -> None:
        descriptor = os.open(self._lock_file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            running = self._read()
            where = f" at {running.url}" if running else ""
            raise AlreadyRunning(f"the shop is already running on this data{where}") from None
        self._descriptor = descriptor
        self._note.unlink(missing_ok=True)  # of a stack that was killed

    def announce(self, running: Running) -> None:
        unfinished = self._note.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(asdict(running), indent=2))
        unfinished.rename(self._note)

    def give_up(self) -> None:
        if self._descriptor is not None:
            self._note.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def _read(self) -> Running | None:
        try:
            return Running(**json.loads(self._note.read_text()))
        except FileNotFoundError:
            return None

    def look(self) -> Running | None:
        """The stack that holds the lock now, once all of it is healthy."""
        if not self._lock_file.exists():
            return None
        descriptor = os.open(self._lock_file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._read()
        finally:
            os.close(descriptor)
        return None


def running_stack(data_dir: Path) -> Running | None:
    return Presence(data_dir / "run").look()
