"""The first command on a machine, where its Python will not do: what it says and leaves behind."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Python as far as the Makefile asks it: which version it is, and whether it can make a venv.
TOO_OLD = """#!{python}
import sys
sys.version_info = (3, 10, 13)
exec(sys.argv[2])
"""
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
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.lock").touch()
    for member in ("deploy", "deploy/standins"):
        (tmp_path / member).mkdir()
        (tmp_path / member / "pyproject.toml").touch()
    python = tmp_path / "some-python"
    python.write_text(kind.format(python=sys.executable))
    python.chmod(0o700)

    made = subprocess.run(
        ["make", "run", f"PYTHON={python}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert made.returncode != 0
    assert says in made.stderr
    assert not (tmp_path / ".venv").exists()
