"""`make lock`: one file with every package that the members and the tools need, each with hashes.

No addresses: the file says what to install and not where from, so it works behind any mirror.
`--upgrade` looks for newer versions; without it, what is locked stays.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LOCK_FILE = "requirements.lock"
OWN = re.compile(r"privity-[a-z-]+")
PACKAGE_LINE = re.compile(
    r"[a-z0-9][a-z0-9._-]*==[^\s\\/]+( ; [^\\/]+)? \\"  # a name, a version, perhaps a condition
    r"|    --hash=sha256:[0-9a-f]{64}( \\)?"
)


class LockRefused(Exception):
    """What the resolver wrote is not what may be committed."""


def members(root: Path) -> list[Path]:
    found = [*root.glob("libs/*/pyproject.toml"), *root.glob("services/*/pyproject.toml")]
    deploy = root / "deploy"
    return [*sorted(found), deploy / "pyproject.toml", deploy / "standins" / "pyproject.toml"]


def needed(root: Path) -> list[str]:
    """What members and tools ask for, without the members themselves."""
    wanted: set[str] = set()
    for member in members(root):
        wanted.update(tomllib.loads(member.read_text())["project"].get("dependencies", []))
    tools = tomllib.loads((root / "pyproject.toml").read_text())["dependency-groups"]["tools"]
    wanted.update(tools)
    return sorted(line for line in wanted if OWN.match(line) is None)


def without_addresses(lines: Iterable[str]) -> Iterator[str]:
    """Package and hash lines; an option line is dropped, a package that has an address refused."""
    for line in lines:
        if PACKAGE_LINE.fullmatch(line):
            yield line
        elif line and not line.startswith(("#", "--")):
            raise LockRefused(f"not a package with a version and hashes: {line.split()[0]}")


def main(root: Path = ROOT) -> int:
    uv = Path(sys.executable).with_name("uv")
    lock = root / LOCK_FILE
    command = [
        *(str(uv), "pip", "compile", "-", "--quiet"),
        *("--universal", "--python-version", "3.11"),
        *("--generate-hashes", "--no-emit-index-url", "--no-annotate", "--no-header"),
        *("--output-file", str(lock)),  # read first: what is in it is kept where it still fits
        *(["--upgrade"] if "--upgrade" in sys.argv[1:] else []),
    ]
    before = lock.read_text() if lock.exists() else ""
    compiled = subprocess.run(command, input="\n".join(needed(root)), text=True, check=False)
    if compiled.returncode != 0:
        return compiled.returncode
    try:
        kept = list(without_addresses(lock.read_text().splitlines()))
    except LockRefused as refusal:
        lock.write_text(before)
        print(refusal, file=sys.stderr)
        return 1
    lock.write_text("\n".join(kept) + "\n")
    print(f"{LOCK_FILE}: {sum('==' in line for line in kept)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
