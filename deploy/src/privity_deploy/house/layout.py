"""Every module has its place, and no file grows past a screenful of thoughts.

`python -m privity_deploy.house.layout` prints what has no place and exits 1.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

LAYERS = {"main.py", "main", "settings.py", "api", "consumers.py", "domain", "clients", "models.py"}
BESIDE = {
    "migrations",
    "schemas",
    "__init__.py",
    "__main__.py",
    "py.typed",
    "models",
    "__pycache__",
}
NOWHERE = {"utils", "util", "helpers", "helper", "common", "base", "misc", "shared", "service"}
LONGEST = 300


def misplaced(root: Path) -> Iterator[str]:
    for package in sorted(root.glob("services/*/src/*")):
        for entry in sorted(package.iterdir()):
            if entry.name not in LAYERS | BESIDE:
                yield f"{entry.relative_to(root)}: has no place in a service"
    for file in _sources(root):
        if file.stem in NOWHERE and "privity_rest" not in file.parts:
            yield f"{file.relative_to(root)}: says nothing about what it decides"
        lines = len(file.read_text("utf-8").splitlines())
        if lines > LONGEST:
            yield f"{file.relative_to(root)}: {lines} lines; name the next noun"
    yield from _numbered_twice(root)


def _numbered_twice(root: Path) -> Iterator[str]:
    """Both were written at the same time; of two such migrations one would not run."""
    seen: dict[Path, Path] = {}
    for folder in ("libs", "services", "docs"):
        for pattern in ("**/migrations/**/versions/*.py", "decisions/*.md"):
            for file in sorted((root / folder).glob(pattern)):
                number = file.with_name(file.name.partition("_")[0].partition("-")[0])
                first = seen.setdefault(number, file)
                if first is not file:
                    yield f"{file.relative_to(root)}: has the number of {first.name}"


def _sources(root: Path) -> Iterator[Path]:
    for pattern in ("libs/*/src/**/*.py", "services/*/src/**/*.py", "deploy/**/src/**/*.py"):
        yield from sorted(root.glob(pattern))


def main() -> int:
    found = list(misplaced(Path.cwd()))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
