"""Policy files made from the committed one."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "policy"
POLICY = max(FOLDER.glob("*.yaml"))
Raw = dict[str, Any]


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


@pytest.fixture
def raw() -> Raw:
    loaded: Raw = yaml.safe_load(POLICY.read_text())
    return loaded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "policy"
    made.mkdir()
    return made


@pytest.fixture
def write(folder: Path) -> Callable[..., Path]:
    """Writes a version that begins on its day, with changes."""

    def make(
        version: str,
        change: Callable[[Raw], object] | None = None,
        *,
        begins: datetime | None = None,
    ) -> Path:
        file: Raw = yaml.safe_load(POLICY.read_text())
        day = datetime.fromisoformat(version[:10]).replace(tzinfo=UTC)
        file["version"] = version
        file["in_force_from"] = begins or day + timedelta(hours=int(version[11:] or 0))
        if change is not None:
            change(file)
        path = folder / f"{version}.yaml"
        path.write_text(yaml.dump(file, Dumper=_Plain, sort_keys=False, width=200))
        return path

    return make
