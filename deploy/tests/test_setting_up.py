"""The first command on a machine, where its Python will not do: what it says and leaves behind."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Python as far as the Makefile asks it: which version it is, and whether it can make a venv.
TOO_OLD = """#!{python}
import sys
sys.version_info = (3, 10, 13)
exec(sys.argv[2])
"""
TELLS = """#!/bin/sh
env >&2
exit 1
"""
STRANGE = {
    "LC_ALL": "C",
    "PYTHONHOME": "/none",
    "PYTHONPATH": "/none",
    "PGPORT": "1",
    "PGSERVICE": "none",
}
WITHOUT_PIP = """#!/bin/sh
[ "$1" = -c ] && exit 0
mkdir -p .venv/bin && ln -s {python} .venv/bin/python
echo "ensurepip is not available" >&2
exit 1
"""


@pytest.mark.parametrize(
    ("kind", "says"), [(TOO_OLD, "Python 3.11 or later is needed"), (WITHOUT_PIP, "ensurepip")]
)
def test_a_python_that_will_not_do_is_named_and_leaves_nothing_in_the_next_ones_way(
    tmp_path: Path, kind: str, says: str
) -> None:
    said = tried(tmp_path, kind.format(python=sys.executable), os.environ)

    assert says in said
    assert not (tmp_path / ".venv").exists()


def test_what_steers_another_python_or_server_does_not_steer_ours(tmp_path: Path) -> None:
    surroundings = {"PATH": os.environ["PATH"], **STRANGE}
    said = tried(tmp_path / "one", TELLS, surroundings).splitlines()
    given = tried(tmp_path / "two", TELLS, surroundings | {"DATABASE_URL": "postgresql://it"})

    assert not {f"{name}={value}" for name, value in STRANGE.items()} & set(said)
    assert "PGPORT=1" in given.splitlines()


@pytest.mark.parametrize(
    ("address", "says"),
    [("u:hidden@127.0.0.1:1", "Connect call failed"), ("u:hid/den@h", "names no address")],
)
def test_a_given_server_that_will_not_do_is_told_once_before_the_tests(
    address: str, says: str
) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "auto", "deploy/tests/test_layout.py"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": f"postgresql://{address}/x"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert says in ran.stderr
    assert "Traceback" not in ran.stderr + ran.stdout
    assert "hid" not in ran.stderr + ran.stdout


def tried(folder: Path, python: str, surroundings: Mapping[str, str]) -> str:
    """What `make run` says where that is its Python, and does not get far."""
    folder.mkdir(exist_ok=True)
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "requirements.lock").touch()
    for member in ("deploy", "deploy/standins"):
        (folder / member).mkdir()
        (folder / member / "pyproject.toml").touch()
    program = folder / "some-python"
    program.write_text(python)
    program.chmod(0o700)
    made = subprocess.run(
        ["make", "run", f"PYTHON={program}"],
        cwd=folder,
        env=dict(surroundings),
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode != 0
    return made.stderr
