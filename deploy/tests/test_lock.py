"""The lock file."""

from pathlib import Path

import pytest

from privity_deploy import lock

PROJECT = Path(__file__).parents[2]
HASH = "    --hash=sha256:" + "0" * 64


def test_every_package_that_a_member_or_a_tool_asks_for_is_locked():
    locked = (PROJECT / lock.LOCK_FILE).read_text()

    for requirement in lock.needed(PROJECT):
        name = requirement.split("[")[0].split(">")[0].split("<")[0].split("=")[0].lower()
        assert f"\n{name}==" in f"\n{locked}", f"{name} is not locked: run make lock"


def test_the_committed_lock_holds_packages_and_hashes_and_nothing_else():
    lines = (PROJECT / lock.LOCK_FILE).read_text().splitlines()

    assert list(lock.without_addresses(lines)) == lines
    assert "://" not in "".join(lines)


def test_options_and_comments_are_left_out():
    lines = ["--index-url https://mirror.example/simple", "# by hand", "", "a==1.0 \\", HASH]

    assert list(lock.without_addresses(lines)) == ["a==1.0 \\", HASH]


@pytest.mark.parametrize(
    "line",
    [
        "a @ https://mirror.example/a-1.0.whl \\",
        "a @ file:///opt/a-1.0.whl",
        "-e ./libs/a",
        "a>=1",
        "a==1.0 ; platform_machine == 'x' and url('https://mirror.example') \\",
    ],
)
def test_a_package_that_comes_with_an_address_is_refused(line):
    with pytest.raises(lock.LockRefused):
        list(lock.without_addresses([line]))
