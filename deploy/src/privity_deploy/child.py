"""One running process of the shop: started, asked for its health, ended."""

from __future__ import annotations

import http.client
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

TERM_SECONDS = 10.0
LOG_LINES_SHOWN = 15


class Child:
    """Where it listens is either a socket's path or a port of 127.0.0.1."""

    def __init__(
        self,
        name: str,
        *,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        log_file: Path,
        pid_file: Path,
        address: Path | int,
        health: str | None,
    ) -> None:
        self.name = name
        self.log_file = log_file
        self._command = list(command)
        self._environment = dict(environment)
        self._folder = folder
        self._pid_file = pid_file
        self._address = address
        self._health = health
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0

    @property
    def process_id(self) -> int | None:
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        """Nothing while it runs, and before it was started."""
        return self._process.poll() if self._process else None

    @property
    def how_it_ended(self) -> str:
        code = self.exit_code or 0
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return f"{how}; the end of its log:\n{self._last_words()}"

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._started_at

    def start(self) -> None:
        self._started_at = time.monotonic()
        # Inherited: what lies open in a process that crashes, such as a password on its way to its
        # hash, is in no core file.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if isinstance(self._address, Path):
            self._address.unlink(missing_ok=True)
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us: we end the others in our own order
            )
        born = psutil.Process(self._process.pid).create_time()
        self._pid_file.write_text(f"{self._process.pid} {born}")

    def is_healthy(self) -> bool:
        if self.process_id is None:
            return False
        connection = _Connection(self._address)
        try:
            connection.connect()
            if self._health is None:
                return True
            connection.request("GET", self._health)
            return 200 <= connection.getresponse().status < 300
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def ask_to_end(self) -> None:
        """For ending several at once; `end` then waits for each."""
        if self.process_id is not None:
            self.send(signal.SIGTERM)
            self.send(signal.SIGCONT)  # a stopped process would not hear it

    def end(self) -> None:
        """Asks, waits, then insists. Nothing that it started stays behind."""
        if self._process is None:
            return
        self.ask_to_end()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(TERM_SECONDS)
        _kill_group(self._process.pid)
        self._process.wait()
        self._pid_file.unlink(missing_ok=True)
        if isinstance(self._address, Path):
            self._address.unlink(missing_ok=True)

    def wait(self, seconds: float) -> None:
        if self._process is not None:
            self._process.wait(seconds)

    def keep_old_log(self) -> None:
        """Each run of the shop begins its own log; the one before it is kept."""
        if self.log_file.exists():
            shutil.move(self.log_file, self.log_file.with_suffix(".previous.log"))

    def _last_words(self) -> str:
        lines = self.log_file.read_text(errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-LOG_LINES_SHOWN:] or ["(empty)"])


def end_left_over(pid_file: Path) -> bool:
    """Ends a process that outlived a killed run. Its time of birth tells it from a stranger."""
    try:
        pid, born = pid_file.read_text().split()
        process = psutil.Process(int(pid))
        alive = abs(process.create_time() - float(born)) < 0.5
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        alive = False
    if alive:
        process.terminate()
        process.resume()
        deadline = time.monotonic() + TERM_SECONDS
        # It is not our child: whether its corpse is collected is up to others.
        while _works(process) and time.monotonic() < deadline:
            time.sleep(0.02)
        _kill_group(process.pid)
    pid_file.unlink(missing_ok=True)
    return alive


def _works(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _kill_group(group: int) -> None:
    """A child leads its own session, so its group is its pid."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
    time.sleep(0.01)


class _Connection(http.client.HTTPConnection):
    def __init__(self, address: Path | int) -> None:
        super().__init__("127.0.0.1", address if isinstance(address, int) else 80, timeout=2)
        self._path = address if isinstance(address, Path) else None

    def connect(self) -> None:
        if self._path is None:
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(2)
        self.sock.connect(str(self._path))
