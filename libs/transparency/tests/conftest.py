"""The public vectors, and where what was counted is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

VECTORS = Path(__file__).resolve().parents[3].parent / "shared" / "vectors"
FIGURES: list[str] = []


@pytest.fixture(scope="session")
def vectors() -> Path:
    if not VECTORS.is_dir():
        pytest.skip("the public vectors are not here (../shared/vectors)")
    return VECTORS


@pytest.fixture
def record_figures() -> Callable[[str], None]:
    """For what was counted or measured on the way; told at the end of the run."""
    return FIGURES.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in FIGURES:
        terminalreporter.write_line(line)
