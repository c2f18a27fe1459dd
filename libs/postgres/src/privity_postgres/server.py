"""One PostgreSQL server, run from the wheel's programs on a Unix socket of its own.

It outlives a killed parent: the next `start` finds it by its data folder and uses it, or recovers
the data when it died too.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import secrets
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import psutil

from privity_postgres import binaries
from privity_postgres.account import Account
from privity_postgres.place import SOCKET_NAME, choose_home, choose_socket_dir, prepare_folder

ADMIN = "privity_admin"

# Values must not reach the log: no statements, no parameters, no DETAIL lines.
SETTINGS = """\
listen_addresses = ''
unix_socket_directories = '{socket_dir}'
unix_socket_permissions = 0700
max_connections = 200
shared_buffers = 128MB
max_wal_size = 512MB
checkpoint_timeout = 1min
recovery_init_sync_method = {recovery_sync}
fsync = on
full_page_writes = on
synchronous_commit = on
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
log_error_verbosity = terse
log_min_messages = warning
log_min_error_statement = panic
log_statement = none
log_min_duration_statement = -1
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_connections = off
log_disconnections = off
log_checkpoints = off
log_lock_waits = off
log_autovacuum_min_duration = -1
cluster_name = ''
update_process_title = off
"""

SYNCFS_REPORTS = (5, 8)
"""From this version of Linux on, syncfs(2) reports what could not be written."""
ORPHAN_SECONDS = 10.0
ACCESS = "local all all scram-sha-256\n"


class ServerFailed(Exception):
    """PostgreSQL did not do what it was asked; the message holds its own words."""


class PostgresServer:
    """Everything lives below `home`; two servers never share one."""

    def __init__(self, home: Path) -> None:
        self._wanted = home.absolute()
        self._account = Account.unprivileged(owner_of=self._wanted / "data")
        self.home = choose_home(self._wanted, self._account)
        self.socket_dir = choose_socket_dir(self.home / "socket", self._account)
        self._installation: Path | None = None

    @property
    def data_dir(self) -> Path:
        return self.home / "data"

    @property
    def _pid_file(self) -> Path:
        return self.data_dir / "postmaster.pid"

    @property
    def log_file(self) -> Path:
        return self.home / "server.log"

    @property
    def bin_dir(self) -> Path:
        """Where `pg_dump`, `psql` and the others are."""
        if self._installation is None:
            self._installation = binaries.reachable_by(self._account)
        return self._installation / "bin"

    @property
    def account_name(self) -> str:
        return self._account.name

    @property
    def admin_url(self) -> str:
        password = (self.home / "admin.password").read_text().strip()
        host = quote(str(self.socket_dir), safe="/")
        return f"postgresql://{ADMIN}:{password}@/postgres?host={host}"

    @property
    def process_id(self) -> int | None:
        """The running server's, or nothing."""
        try:
            process = psutil.Process(int(self._pid_file.read_text().split("\n", 1)[0]))
            # A file that a crash left over names nobody, a corpse, or by now a stranger.
            alive = process.status() != psutil.STATUS_ZOMBIE
            ours = process.uids().effective == self._account.uid and process.name() == "postgres"
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return None
        return process.pid if alive and ours else None

    def is_running(self) -> bool:
        return self.process_id is not None

    def start(self) -> None:
        """Returns when the server answers. One that already runs from this folder is used."""
        prepare_folder(self.home, self._account)
        with self._alone():
            if not (self.data_dir / "PG_VERSION").exists():
                self._create()
            if self.is_running():
                return
            self._clear_after_a_crash()
            prepare_folder(self.socket_dir, self._account)
            quoted = str(self.socket_dir).replace("'", "''")
            settings = SETTINGS.format(socket_dir=quoted, recovery_sync=_recovery_sync())
            self._write("data/postgresql.conf", settings)
            self._write("data/pg_hba.conf", ACCESS)
            started = self._pg_ctl("start", "--wait", "--timeout=60", f"--log={self.log_file}")
            if started.returncode != 0:
                raise ServerFailed(f"PostgreSQL did not start:\n{self._last_words()}")

    def stop(self) -> None:
        """Ends open connections, writes everything down, returns when the server has gone."""
        if not self.home.exists():
            return
        with self._alone():
            if not self.is_running():
                return
            if self._pg_ctl("stop", "--mode=fast", "--wait", "--timeout=30").returncode == 0:
                return
            # A backend that ignores us: recovery at the next start loses nothing committed.
            if self._pg_ctl("stop", "--mode=immediate", "--wait").returncode != 0:
                raise ServerFailed(f"PostgreSQL did not stop:\n{self._last_words()}")

    def remove(self) -> None:
        """Stops without writing down and deletes everything, for servers that were only lent."""
        if self.home.exists() and self.is_running():
            self._pg_ctl("stop", "--mode=immediate", "--wait")
        for folder in (self.home, self.socket_dir):
            shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> PostgresServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _clear_after_a_crash(self) -> None:
        """Takes a dead server's lock files away, once nobody works on the data any more.

        Its backends notice its death within moments. PostgreSQL would clear them itself, but
        takes a corpse that nobody has collected yet (in a container, nobody may) for the living.
        """
        deadline = time.monotonic() + ORPHAN_SECONDS
        while self._pid_file.exists() and time.monotonic() < deadline:
            folders = [process.info["cwd"] for process in psutil.process_iter(["cwd"])]
            if str(self.data_dir) in folders:
                time.sleep(0.05)
                continue
            (self.socket_dir / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)
            self._pid_file.unlink()

    def _create(self) -> None:
        self._write("admin.password", secrets.token_hex(32) + "\n")
        # Created beside its place and renamed: a creation that was cut short starts over.
        unfinished = self.home / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        created = self._account.run(
            [
                self.bin_dir / "initdb",
                f"--pgdata={unfinished}",
                f"--username={ADMIN}",
                f"--pwfile={self.home / 'admin.password'}",
                "--auth=scram-sha-256",
                "--data-checksums",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
            ],
            cwd=self.home,
        )
        if created.returncode != 0:
            raise ServerFailed(f"PostgreSQL could not create its data folder:\n{created.stderr}")
        unfinished.rename(self.data_dir)

    def _pg_ctl(self, action: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Output goes to a file, never a pipe: the server would inherit the pipe and keep it open.
        inside = shlex.join(
            [str(self.bin_dir / "pg_ctl"), action, f"--pgdata={self.data_dir}", *arguments]
        )
        answer = shlex.quote(str(self.home / "pg_ctl.log"))
        return self._account.run(["/bin/sh", "-c", f"{inside} > {answer} 2>&1"], cwd=self.home)

    def _write(self, name: str, text: str) -> None:
        path = self.home / name
        path.touch(mode=0o600)
        path.write_text(text)
        path.chmod(0o600)
        self._account.take(path)

    def _last_words(self) -> str:
        for file in (self.log_file, self.home / "pg_ctl.log"):
            if file.exists() and (text := file.read_text(errors="replace")).strip():
                return "\n".join(text.splitlines()[-15:])
        return f"(nothing in {self.log_file})"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two starts at once would both create the data folder."""
        descriptor = os.open(self.home / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _recovery_sync() -> str:
    """How recovery makes sure of what lay in the data folder before the crash.

    File by file takes two seconds for a shop's databases, before the log is even looked at.
    """
    release = [int(part) for part in re.findall(r"\d+", platform.release())[:2]]
    reports = platform.system() == "Linux" and tuple(release) >= SYNCFS_REPORTS
    return "syncfs" if reports else "fsync"
