"""What has no place in the house is named."""

from pathlib import Path

import pytest

from privity_deploy.house.layout import misplaced

VERSIONS = "services/shop/src/shop/migrations/versions"


def write(root: Path, *paths: str, lines: int = 1) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x = 1\n" * lines)


def test_nothing_is_said_of_a_tidy_house(tmp_path: Path) -> None:
    write(tmp_path, "services/shop/src/shop/domain/prices.py", lines=300)
    write(tmp_path, f"{VERSIONS}/0001_goods.py", f"{VERSIONS}/0002_prices.py")
    write(tmp_path, "docs/decisions/0001-prices.md", "docs/decisions/0002-goods.md")

    assert list(misplaced(tmp_path)) == []


@pytest.mark.parametrize(
    ("path", "lines", "said"),
    [
        ("services/shop/src/shop/domain/prices.py", 301, "301 lines; name the next noun"),
        ("services/shop/src/shop/domain/utils.py", 1, "says nothing about what it decides"),
        ("services/shop/src/shop/prices.py", 1, "has no place in a service"),
        (f"{VERSIONS}/0001_goods.py", 1, "has the number of 0001_beginning.py"),
        ("docs/decisions/0001-goods.md", 1, "has the number of 0001-beginning.md"),
    ],
)
def test_what_has_no_place_is_named(tmp_path: Path, path: str, lines: int, said: str) -> None:
    write(tmp_path, f"{VERSIONS}/0001_beginning.py", "docs/decisions/0001-beginning.md")
    write(tmp_path, path, lines=lines)

    assert list(misplaced(tmp_path)) == [f"{path}: {said}"]
