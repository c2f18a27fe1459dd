"""How a whole run is divided, and what it tells at its end.

`make test` runs three workers. What shares the shop stays together in one; the others go through
the rest file by file, each of which makes what it shares once. On a server with fewer connections
than three workers want, one does it all.
"""

import asyncio
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

WITH_THE_SHOP = "tests/"
WORKERS, ENOUGH = 3, 250
"""Workers, and the connections that they may come to want together."""
FIGURES = pytest.StashKey[list[str]]()
# The same examples in each run, however long one takes; `--hypothesis-profile=wide` looks further.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("wide", deadline=None, max_examples=2_000)
settings.load_profile("steady")
MINTED = re.compile(r"_[0-9a-hjkmnp-tv-z]{26}")


class Folder(pytest.Package):
    """What its conftest.py makes for the package ends with its last test."""

    def setup(self) -> None:
        """There is no `__init__.py` that would have to be imported."""


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    shares = (path / "conftest.py").is_file()
    return Folder.from_parent(parent, path=path) if shares else None


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    url = os.environ.get("DATABASE_URL")
    return WORKERS if not url or asyncio.run(_connections(url)) >= ENOUGH else 1


async def _connections(url: str) -> int:
    """How many the server allows. It is told at once, and not by each test, if it will not do."""
    import asyncpg  # noqa: PLC0415  # only where there is a server to ask

    from privity_postgres import UnusableUrl, for_driver  # noqa: PLC0415

    try:
        connection = await asyncpg.connect(for_driver(url), timeout=10)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, UnusableUrl) as failure:
        raise pytest.UsageError(f"DATABASE_URL: {failure or 'no answer'}") from None
    try:
        if connection.get_server_version().major < 15:
            raise pytest.UsageError("DATABASE_URL: PostgreSQL 15 is the oldest that works here")
        return int(await connection.fetchval("SHOW max_connections"))
    finally:
        await connection.close()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415  # only where there are workers

    class ByWhatIsShared(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "the shop" if file.startswith(WITH_THE_SHOP) else file

    return ByWhatIsShared(config, log)


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
