"""Each member runs with what it declares and nothing else.

Every module of a member is imported in a process of its own in which only the standard library,
the member itself and what its `pyproject.toml` declares (with what that needs) can be found.

`python -m privity_deploy.house.isolation` exits 1 when a member leans on something undeclared.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

_NAME = re.compile(r"^[A-Za-z0-9._-]+")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")

_IMPORT_ALL = """
import importlib, json, pkgutil, sys
allowed, package = json.loads(sys.argv[1]), sys.argv[2]
class Guard:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in allowed or top.startswith("_sysconfigdata"):
            return None
        raise ModuleNotFoundError(f"{name} is not declared", name=name)
sys.meta_path.insert(0, Guard())
root = importlib.import_module(package)
for found in pkgutil.walk_packages(root.__path__, package + "."):
    if ".migrations" not in found.name and not found.name.endswith("__main__"):
        importlib.import_module(found.name)
"""


def members(root: Path) -> list[Path]:
    files = [*root.glob("libs/*/pyproject.toml"), *root.glob("services/*/pyproject.toml")]
    return [*sorted(files), root / "deploy/pyproject.toml", root / "deploy/standins/pyproject.toml"]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(requirements: Iterable[str]) -> set[str]:
    """The distributions that these requirements bring, extras included where they are named."""
    needed: set[str] = set()
    todo = list(requirements)
    while todo:
        requirement = todo.pop()
        match = _NAME.match(requirement)
        if match is None:
            continue
        name = _normal(match.group())
        extras = set(
            re.findall(r"[a-z0-9_-]+", (re.findall(r"\[([^\]]*)\]", requirement) or [""])[0])
        )
        if name in needed and not extras:
            continue
        needed.add(name)
        try:
            declared = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        for line in declared:
            wanted = _EXTRA.search(line)
            if wanted is None or wanted.group(1) in extras:
                todo.append(line.partition(";")[0])
    return needed


def leans_on(member: Path) -> str | None:
    """The last line of what went wrong, or None."""
    project = tomllib.loads(member.read_text())
    package = next((member.parent / "src").glob("*/__init__.py")).parent.name
    declared = list(project["project"]["dependencies"])
    for extra in project["project"].get("optional-dependencies", {}).values():
        declared += extra
    distributions = closure(declared)
    owners = packages_distributions()
    allowed = [
        top for top, names in owners.items() if any(_normal(n) in distributions for n in names)
    ]
    # Editable members stand outside packages_distributions.
    allowed += [name.replace("-", "_") for name in distributions if name.startswith("privity-")]
    allowed.append(package)
    ran = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL, json.dumps(allowed), package],
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode == 0:
        return None
    return ran.stderr.strip().splitlines()[-1]


def main() -> int:
    failed = 0
    for member in members(Path.cwd()):
        wrong = leans_on(member)
        print(
            f"{'ok  ' if wrong is None else 'FAIL'} {member.parent}"
            + (f": {wrong}" if wrong else "")
        )
        failed += wrong is not None
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
