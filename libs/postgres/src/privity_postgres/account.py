"""Which system account the server runs as, and what that account can reach.

PostgreSQL refuses to run as root. Started as root, we drop to an unprivileged account; started as
anyone else, we stay who we are.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class NoAccount(Exception):
    """Root has nobody to drop to."""


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int
    name: str
    drops: bool

    @classmethod
    def current(cls) -> Account:
        uid = os.geteuid()
        return cls(uid=uid, gid=os.getegid(), name=_name_of(uid), drops=False)

    @classmethod
    def unprivileged(cls, *, owner_of: Path) -> Account:
        """Ourselves, or as root the owner of existing data, PRIVITY_PG_USER, postgres, nobody."""
        if os.geteuid() != 0:
            return cls.current()
        if owner_of.exists() and owner_of.stat().st_uid != 0:
            owner = owner_of.stat()
            return cls(uid=owner.st_uid, gid=owner.st_gid, name=_name_of(owner.st_uid), drops=True)
        wanted = os.environ.get("PRIVITY_PG_USER")
        for name in [wanted] if wanted else ["postgres", "nobody"]:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            if entry.pw_uid != 0:
                return cls(uid=entry.pw_uid, gid=entry.pw_gid, name=name, drops=True)
        raise NoAccount(
            "PostgreSQL does not run as root, and there is no unprivileged account named"
            f" {wanted or 'postgres or nobody'} to run it as; set PRIVITY_PG_USER"
        )

    def run(self, command: Sequence[str | Path], *, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Runs to the end as this account, with nothing of our environment but the search path."""
        return subprocess.run(  # noqa: S603 - the command is ours, never a user's text
            [str(part) for part in command],
            cwd=cwd,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,  # Ctrl-C is for us: we stop the server in our own order
            user=self.uid if self.drops else None,
            group=self.gid if self.drops else None,
            extra_groups=[] if self.drops else None,
        )

    @staticmethod
    def _environment() -> Mapping[str, str]:
        # PGDATA, PGPORT and their like in a developer's shell must not steer our server.
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}

    def can_enter(self, folder: Path) -> bool:
        """Asked of the kernel, because mode bits alone know nothing of access lists."""
        if not self.drops:
            return os.access(folder, os.X_OK)
        question: list[str | Path] = ["/bin/sh", "-c", 'test -x "$1"', "sh", folder]
        return self.run(question, cwd=Path("/")).returncode == 0

    def owns(self, path: Path) -> bool:
        return path.lstat().st_uid == self.uid

    def take(self, path: Path) -> None:
        if self.drops:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a container may run under a number that has no name
        return str(uid)
