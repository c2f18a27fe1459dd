"""PostgreSQL's own tools, for whole databases: one file each, as `pg_restore` reads it.

Passwords are in no argument, where everybody on the machine sees them; and nobody else on it may
read what is being written.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from privity_postgres import DatabaseEntry, for_driver

# What follows these words may quote a row.
_QUOTING = ("DETAIL:", "CONTEXT:", "STATEMENT:", "QUERY:", "Command was:")


class ToolFailed(Exception):
    """Its last words; those that may hold a row are left out."""


def tools(own: Path | None) -> Path:
    """Those of the server that we started; for another one, those installed beside it."""
    if own is not None:
        return own
    found = shutil.which("pg_dump")
    if found is None:
        raise ToolFailed("pg_dump is not installed; it comes with the server's own packages")
    return Path(found).parent


def dump(bin_dir: Path, admin_url: str, database: str, file: Path) -> None:
    """Whole or not there."""
    unfinished = file.with_suffix(".unfinished")
    url = for_driver(admin_url, database=database)
    unfinished.unlink(missing_ok=True)  # one of others' would keep their permissions
    _run([str(bin_dir / "pg_dump"), "--format=custom", "--file", str(unfinished)], url)
    unfinished.rename(file)


def restore(bin_dir: Path, admin_url: str, entry: DatabaseEntry, file: Path) -> None:
    """Into a database that is empty. Everything, or an error."""
    url = for_driver(admin_url, database=entry.name)
    command = [str(bin_dir / "pg_restore"), "--no-owner", "--role", entry.owner]
    _run([*command, "--exit-on-error", "--single-transaction", str(file)], url)


def _run(command: list[str], url: str) -> None:
    shown, password = _apart(url)
    known = os.environ if password is None else os.environ | {"PGPASSWORD": password}
    done = subprocess.run(
        [*command[:1], "--dbname", shown, *command[1:]],
        capture_output=True,
        text=True,
        check=False,
        env=known,
        umask=0o077,
    )
    if done.returncode:
        raise ToolFailed(f"{Path(command[0]).name}: {_said(done.stderr)}")


def _apart(url: str) -> tuple[str, str | None]:
    """The address without the password, and the password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url, None
    who, _, where = parts.netloc.rpartition("@")
    shown = parts._replace(netloc=f"{who.partition(':')[0]}@{where}")
    return urlunsplit(shown), unquote(parts.password)


def _said(words: str) -> str:
    quoted, kept = False, []
    for line in words.strip().splitlines():
        # A row may go on over several lines; the tool's own begin with its name.
        quoted = any(word in line for word in _QUOTING) or (quoted and not line.startswith("pg_"))
        if not quoted:
            kept.append(line)
    return "\n".join(kept)[-600:]


def fingerprint(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
