"""Where everything of one stack is: folders, sockets, ports, databases, secrets.

Processes are told of these places by placeholders, and tests and the demo ask for them by name.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import replace
from pathlib import Path

from privity_deploy.secrets import Secrets
from privity_deploy.tables import Process, TableRefused, Tables
from privity_postgres import DatabaseEntry, for_sqlalchemy
from privity_postgres.account import Account
from privity_postgres.place import choose_socket_dir

NAME_LIMIT = 63
"""PostgreSQL cuts longer names off."""


class Places:
    """Ports and the administrator's URL are known once the stack starts."""

    def __init__(self, tables: Tables, *, root: Path, data_dir: Path) -> None:
        self.tables = tables
        self.root = root
        self.data_dir = data_dir
        self.run_dir = data_dir / "run"
        self.logs_dir = self.run_dir / "logs"
        self.pids_dir = self.run_dir / "pids"
        self.secrets = Secrets(data_dir / "secrets")
        longest = max((p.socket or "" for p in tables.processes), key=len, default="")
        self.sockets_dir = choose_socket_dir(self.run_dir, Account.current(), longest=longest)
        self.databases = {entry.name: entry for entry in tables.databases}
        self.ports: dict[tuple[str, str], int] = {}
        self.admin_url = ""

    def rename_databases(self) -> None:
        """Names of this stack's own, for a server that others share."""
        mark = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:8]
        for name, entry in self.databases.items():
            self.databases[name] = replace(
                entry,
                name=marked(entry.name, mark),
                owner=marked(entry.owner, mark),
                runtime=marked(entry.runtime, mark),
            )

    def passwords(self) -> dict[str, str]:
        roles = [role for entry in self.databases.values() for role in entry.roles]
        return {role: self.secrets.role_password(role) for role in roles}

    def url_of(self, process: str) -> str:
        return f"http://127.0.0.1:{self.port(f'{process}.http')}"

    def port(self, name: str) -> int:
        """By process and port, as in `mail.smtp`."""
        process, _, port = name.partition(".")
        return self.ports[process, port]

    def socket(self, process: str) -> Path:
        name = self.tables.process(process).socket
        if name is None:
            raise TableRefused(f"process {process} listens on no socket")
        return self.sockets_dir / name

    def address(self, process: Process) -> Path | int:
        """Where its health is asked for."""
        if process.socket is not None:
            return self.socket(process.name)
        return self.ports[process.name, "http" if process.health else min(process.ports)]

    def log(self, process: str) -> Path:
        return self.logs_dir / f"{process}.log"

    def runtime_url(self, database: str) -> str:
        return self._database_url(self.databases[database], self.databases[database].runtime)

    def owner_url(self, database: str) -> str:
        return self._database_url(self.databases[database], self.databases[database].owner)

    def url_apart(self, name: str) -> str:
        """Of a further role, by database and the role's ending, as in `privity_audit.log`."""
        database, _, ending = name.partition(".")
        entry = self.databases[database]
        if ending not in entry.apart:
            raise KeyError(name)
        return self._database_url(entry, entry.role_apart(ending))

    def _database_url(self, entry: DatabaseEntry, role: str) -> str:
        password = self.secrets.role_password(role)
        return for_sqlalchemy(self.admin_url, database=entry.name, user=role, password=password)

    def look_up(self, kind: str, name: str | None) -> str | None:
        """A placeholder's value; nothing when there is no such place."""
        if name is None:
            alone = {
                "python": sys.executable,
                "root": self.root,
                "data": self.data_dir,
                "secrets": self.secrets.folder,
            }
            return str(alone[kind]) if kind in alone else None
        if kind == "secret":
            return str(self.secrets.path(name)) if name in self.tables.secrets else None
        named = {
            "socket": self.socket,
            "port": self.port,
            "url": self.url_of,
            "runtime_url": self.runtime_url,
            "owner_url": self.owner_url,
            "url_apart": self.url_apart,
        }
        try:
            return str(named[kind](name))
        except (KeyError, TableRefused):
            return None


def marked(name: str, mark: str) -> str:
    """A database's or role's name, and what it is beside another of that name."""
    return f"{name[: NAME_LIMIT - len(mark) - 1]}_{mark}"
