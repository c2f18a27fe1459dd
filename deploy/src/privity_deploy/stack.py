"""The whole shop on one machine: started in order, ended in reverse.

`make run` is one user of it; tests and the demo are others, and several may run side by side, each
with a data folder and ports of its own.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from privity_deploy import ports, staff, tables
from privity_deploy.child import Child, end_left_over
from privity_deploy.environment import command_of, environment_of
from privity_deploy.places import Places
from privity_deploy.presence import Presence, Running
from privity_deploy.secrets import Secrets
from privity_deploy.startup import Report, await_one, compile_sources, start_in_order
from privity_deploy.tables import POSTGRES
from privity_postgres import PostgresServer, bootstrap, drop
from privity_postgres.account import Account
from privity_postgres.place import prepare_folder

GATEWAY = "privacy-gateway"


class NotOurs(Exception):
    """DATABASE_URL names the server: its processes and files are not this stack's."""


class Stack:
    """A context manager, synchronous or not; entered, everything in it is healthy."""

    def __init__(
        self,
        root: Path,
        *,
        data_dir: Path | None = None,
        free_ports: bool = False,
        processes_file: Path | None = None,
        databases_file: Path | None = None,
        environ: Mapping[str, str] | None = None,
        report: Report = lambda line: None,
        stopping: threading.Event | None = None,
    ) -> None:
        """`free_ports` is for stacks side by side; on a shared server, so are names of their own.

        `stopping` interrupts a start that is under way.
        """
        root = root.absolute()
        self.places = Places(
            tables.read(
                processes_file or root / "deploy" / "processes.toml",
                databases_file or root / "deploy" / "databases.toml",
            ),
            root=root,
            data_dir=(data_dir or root / ".privity").absolute(),
        )
        self._environ = os.environ if environ is None else environ
        self._given_server = self._environ.get("DATABASE_URL")
        self._postgres: PostgresServer | None = None
        self._free_ports = free_ports
        if free_ports and self._given_server:
            self.places.rename_databases()
        self._report = report
        self._stopping = stopping or threading.Event()
        self._presence = Presence(self.places.run_dir)
        self._children: dict[str, Child] = {}

    def start(self) -> None:
        places = self.places
        self._claim()
        try:
            self._end_left_overs()
            compile_sources(places.root)
            places.ports = (
                ports.free_ones(places.tables.processes)
                if self._free_ports
                else ports.as_the_table_says(places.tables.processes, self._environ)
            )
            for name, kind in places.tables.secrets.items():
                places.secrets.ensure(name, kind)
            staff.write_down(places.root / "deploy" / "staff.toml", places.secrets)
            self._start_databases()
            self._children = {p.name: self._child(p) for p in places.tables.processes}
            start_in_order(
                places.tables.processes,
                self._children,
                report=self._report,
                stopping=self._stopping,
            )
            self._presence.announce(self.running)
        except BaseException:
            self.stop()
            raise

    def _claim(self) -> None:
        places = self.places
        for folder in (places.run_dir, places.logs_dir, places.pids_dir):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        prepare_folder(places.sockets_dir, Account.current())
        self._presence.claim()

    @contextmanager
    def closed(self) -> Iterator[Stack]:
        """The database server alone, for whoever works on its data while no process does."""
        self._claim()
        try:
            self._end_left_overs()
            self._start_databases()
            yield self
        finally:
            self._children = {}
            self.stop()

    def stop(self) -> None:
        """In reverse: first whoever is asked from outside, last the database."""
        for child in reversed(self._children.values()):
            child.end()
        if self._postgres is not None:
            self._postgres.stop()
        self._presence.give_up()

    def remove(self) -> None:
        """Stops and deletes everything, for stacks that were only lent."""
        self.stop()
        if self._postgres is not None:
            self._postgres.remove()
        for folder in (self.places.data_dir, self.places.sockets_dir):
            shutil.rmtree(folder, ignore_errors=True)
        if self._postgres is None and self._free_ports and self.places.admin_url:
            for entry in self.places.databases.values():
                _run_beside(partial(drop, self.places.admin_url, entry))

    def __enter__(self) -> Stack:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Stack:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.stop)

    @property
    def url(self) -> str:
        """The gateway's."""
        return self.places.url_of(GATEWAY)

    @property
    def secrets(self) -> Secrets:
        return self.places.secrets

    @property
    def logs_dir(self) -> Path:
        return self.places.logs_dir

    @property
    def postgres(self) -> PostgresServer:
        """Raises NotOurs when DATABASE_URL names the server."""
        if self._postgres is None:
            raise NotOurs("this stack did not start the database server that it uses")
        return self._postgres

    @property
    def owns_postgres(self) -> bool:
        return self._postgres is not None

    @property
    def running(self) -> Running:
        """What `running_stack` tells other programs."""
        places = self.places
        sockets = [p.name for p in places.tables.processes if p.socket]
        return Running(
            process_id=os.getpid(),
            url=self.url if (GATEWAY, "http") in places.ports else "",
            ports={f"{process}.{name}": n for (process, name), n in places.ports.items()},
            sockets={name: str(places.socket(name)) for name in sockets},
            secrets_dir=str(places.secrets.folder),
            logs_dir=str(places.logs_dir),
            postgres_data_dir=str(self._postgres.data_dir) if self._postgres else None,
            admin_url=places.admin_url or "",
            databases={name: entry.name for name, entry in places.databases.items()},
        )

    def process_id(self, name: str) -> int | None:
        return self.postgres.process_id if name == POSTGRES else self._children[name].process_id

    def ended(self) -> list[Child]:
        """Processes that were started and run no more."""
        return [child for child in self._children.values() if child.exit_code is not None]

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Sends a signal; a deadly one is waited for. PostgreSQL is stopped and continued whole."""
        if name == POSTGRES:
            _signal_server(self.postgres, number)
            return
        child = self._children[name]
        child.send(number)
        if number in {signal.SIGKILL, signal.SIGTERM, signal.SIGINT}:
            child.wait(15)

    def restart(self, name: str) -> None:
        """Ends it, if it still runs, and starts it again at the same address."""
        if name == POSTGRES:
            self.postgres.stop()
            self.postgres.start()
            return
        child = self._children[name]
        child.end()
        child.start()
        await_one([child], stopping=self._stopping)

    def _start_databases(self) -> None:
        began = time.monotonic()
        if self._given_server:
            self.places.admin_url = self._given_server
        else:
            self._postgres = PostgresServer(self.places.data_dir / "postgres")
            self._postgres.start()
            self.places.admin_url = self._postgres.admin_url
        entries = list(self.places.databases.values())
        passwords = self.places.passwords()
        _run_beside(partial(bootstrap, self.places.admin_url, entries, passwords=passwords))
        self._report(f"{POSTGRES:<20} ready after {time.monotonic() - began:.1f} s")

    def _child(self, process: tables.Process) -> Child:
        return Child(
            process.name,
            command=command_of(process, self.places.look_up),
            environment=environment_of(process, self.places.look_up),
            folder=self.places.root,
            log_file=self.places.log(process.name),
            pid_file=self.places.pids_dir / process.name,
            address=self.places.address(process),
            health=process.health,
        )

    def _end_left_overs(self) -> None:
        for pid_file in self.places.pids_dir.iterdir():
            if end_left_over(pid_file):
                self._report(f"{pid_file.name:<20} was left over by an earlier run and was ended")


@contextmanager
def lent_stack(root: Path, **options: Any) -> Iterator[Stack]:
    """A stack in a throw-away folder, on free ports, of which nothing stays."""
    # Open to be passed through, for the account that the database runs as when we are root.
    folder = Path(tempfile.mkdtemp(prefix="privity-stack-"))
    folder.chmod(0o711)
    stack = Stack(root, data_dir=folder, free_ports=True, **options)
    try:
        stack.start()
        yield stack
    finally:
        stack.remove()


def _signal_server(server: PostgresServer, number: signal.Signals) -> None:
    process = psutil.Process(server.process_id)
    whole = number in {signal.SIGSTOP, signal.SIGCONT}
    for member in [*(process.children() if whole else []), process]:
        member.send_signal(number)
    if number == signal.SIGKILL:
        process.wait(10)


def _run_beside(start: Any) -> None:
    """On a loop of its own in a thread: a caller may be inside a running loop."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(start())).result()
