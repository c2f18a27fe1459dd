"""PostgreSQL's own tools, for whole databases: one file each, as `pg_restore` reads it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from privity_postgres import DatabaseEntry, for_driver


class ToolFailed(Exception):
    """Its last words; they name tables and never hold a row."""


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
    _run([str(bin_dir / "pg_dump"), "--format=custom", "--file", str(unfinished), "--dbname", url])
    unfinished.chmod(0o600)
    unfinished.rename(file)


def restore(bin_dir: Path, admin_url: str, entry: DatabaseEntry, file: Path) -> None:
    """Into a database that is empty. Everything, or an error."""
    url = for_driver(admin_url, database=entry.name)
    command = [str(bin_dir / "pg_restore"), "--no-owner", "--role", entry.owner]
    _run([*command, "--exit-on-error", "--single-transaction", "--dbname", url, str(file)])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolFailed(f"{Path(command[0]).name}: {done.stderr.strip()[-600:]}")


def fingerprint(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
