"""How a whole run is divided, and what it tells at its end.

`make test` runs two workers. What shares the shop stays together in one; the other goes through
the rest file by file, each of which makes what it shares once.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WITH_THE_SHOP = Path(__file__).parent / "tests"
FIGURES = pytest.StashKey[list[str]]()
MINTED = re.compile(r"_[0-9a-hjkmnp-tv-z]{26}")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        together = "the shop" if item.path.is_relative_to(WITH_THE_SHOP) else str(item.path)
        item.add_marker(pytest.mark.xdist_group(together))


def pytest_make_parametrize_id(val: object) -> str | None:
    """A case is called the same in each worker, also when an id was minted for it."""
    return MINTED.sub("_any", val) if isinstance(val, str) and MINTED.search(val) else None


@pytest.fixture
def record_figures(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """For what was measured on the way; told at the end of the run, never asserted on."""
    return pytestconfig.stash[FIGURES].append


def pytest_sessionfinish(session: pytest.Session) -> None:
    worker = getattr(session.config, "workeroutput", None)
    if worker is not None:
        worker["figures"] = session.config.stash[FIGURES]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What a worker measured; one that crashed tells nothing."""
    node.config.stash[FIGURES].extend(getattr(node, "workeroutput", {}).get("figures", ()))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for line in config.stash[FIGURES]:
        terminalreporter.write_line(line)
