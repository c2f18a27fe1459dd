"""Where a server's files live, and where its socket does.

The project's own folder when the server's account can reach it. When it cannot (a clone below a
closed home folder, started as root), a folder of its own: no parent is ever opened up for it.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from privity_postgres.account import Account
from privity_postgres.binaries import REFUGE, refuge_for

SOCKET_PATH_LIMIT = 100
"""The kernel allows 107 bytes; a few are left for the socket's lock file."""

SOCKET_NAME = ".s.PGSQL.5432"


class UnusablePlace(Exception):
    """The folder exists and is not ours to use."""


def choose_home(wanted: Path, account: Account) -> Path:
    """`wanted`, or root's refuge for it. Existing data decides, so it is never left behind."""
    wanted = wanted.absolute()
    if not account.drops:
        return wanted
    refuge = REFUGE / _digest(wanted)
    has_data = (wanted / "data" / "PG_VERSION").exists()
    if (refuge / "data" / "PG_VERSION").exists() and not has_data:
        return refuge
    wanted.parent.mkdir(parents=True, exist_ok=True)
    if account.can_enter(wanted.parent):
        return wanted
    if has_data:
        raise UnusablePlace(
            f"{wanted} holds a database, but the account {account.name} can no longer reach it"
        )
    return refuge_for(refuge.name)


def prepare_folder(folder: Path, account: Account) -> None:
    """A folder only the account can enter; refused when it is someone else's."""
    try:
        folder.mkdir(mode=0o700, parents=not account.drops)
    except FileExistsError:
        status = folder.lstat()
        # In a shared folder a stranger may have put a link or a folder of theirs here first.
        if not stat.S_ISDIR(status.st_mode) or status.st_uid not in {account.uid, os.geteuid()}:
            raise UnusablePlace(
                f"{folder} belongs to another user; the server would run as {account.name}"
            ) from None
    account.take(folder)
    folder.chmod(0o700)


def choose_socket_dir(wanted: Path, account: Account, *, longest: str = SOCKET_NAME) -> Path:
    """`wanted`, or a short folder for it when the `longest` socket's path would not fit."""
    if len(os.fsencode(wanted / longest)) < SOCKET_PATH_LIMIT:
        return wanted
    name = f"privity-{_digest(wanted)}"
    if account.drops:
        return Path("/run") / name if Path("/run").is_dir() else Path("/tmp") / name  # noqa: S108 - checked in prepare_folder
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime or tempfile.gettempdir()) / name


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
