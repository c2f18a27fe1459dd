"""Several versions are loaded; time chooses, and reading them again is all or nothing."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from privacy_gateway.domain.policy import Gap, Policy, PolicyGap
from privacy_gateway.domain.policy.in_force import PolicyInForce

Write = Callable[..., Path]


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Clock:
    def __init__(self, text: str) -> None:
        self.now = day(text)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock("2026-06-15")


@pytest.fixture
def policies(folder: Path, write: Write, clock: Clock) -> PolicyInForce:
    write("2026-01-01")
    write("2026-06-01")
    write("2026-12-01")
    return PolicyInForce(folder, clock=clock)


def without_street(file: dict) -> None:
    file["rules"]["enquiries"]["support_1"]["mask"].remove("user.contact.address.street")


def reread(policies: PolicyInForce) -> None:
    policies.replace(policies.read())


def test_the_newest_that_has_begun_is_in_force(policies: PolicyInForce) -> None:
    assert policies.current.version == "2026-06-01"
    assert [p.version for p in policies.versions] == ["2026-01-01", "2026-06-01", "2026-12-01"]
    assert policies.until(policies.current) == day("2026-12-01")


def test_a_coming_version_takes_over_at_its_moment(policies: PolicyInForce, clock: Clock) -> None:
    clock.now = day("2026-12-01").replace(second=0)

    assert policies.current.version == "2026-12-01"
    assert policies.until(policies.current) is None


def test_before_the_first_version_nothing_starts(folder: Path, write: Write) -> None:
    write("2026-12-01")

    with pytest.raises(PolicyGap, match="no policy version is in force"):
        PolicyInForce(folder, clock=Clock("2026-06-15"))


def test_an_empty_folder_starts_nothing(folder: Path) -> None:
    with pytest.raises(PolicyGap, match="no policy version is in force"):
        PolicyInForce(folder)


def test_a_new_version_is_taken_without_a_restart(
    policies: PolicyInForce, write: Write, clock: Clock
) -> None:
    write("2026-06-10", without_street)

    reread(policies)

    assert policies.current.version == "2026-06-10"
    table = policies.current.table("support_1", "enquiries")
    assert "user.contact.address.street" not in table


def test_what_did_not_change_stays_the_same_object(policies: PolicyInForce, write: Write) -> None:
    before = policies.current
    write("2026-11-01")

    reread(policies)

    assert policies.current is before


def test_one_broken_file_among_good_ones_changes_nothing(
    policies: PolicyInForce, folder: Path, write: Write
) -> None:
    before = policies.versions
    write("2026-06-10", without_street)
    (folder / "2026-06-11.yaml").write_text("version: ]")

    with pytest.raises(PolicyGap, match="2026-06-11"):
        reread(policies)

    assert policies.versions == before


@pytest.mark.parametrize("version", ["2026-01-01", "2026-06-01"])
def test_a_version_that_was_in_force_can_be_succeeded_but_not_changed(
    policies: PolicyInForce, write: Write, version: str
) -> None:
    write(version, without_street)

    with pytest.raises(PolicyGap, match=f"{version} was in force already and is changed"):
        reread(policies)

    assert "user.contact.address.street" in policies.current.table("support_1", "enquiries")


def test_a_version_that_was_in_force_cannot_vanish(policies: PolicyInForce, folder: Path) -> None:
    (folder / "2026-06-01.yaml").unlink()

    with pytest.raises(PolicyGap, match="2026-06-01 was in force and is gone"):
        reread(policies)

    assert policies.current.version == "2026-06-01"


def test_a_coming_version_can_still_be_changed_and_withdrawn(
    policies: PolicyInForce, folder: Path, write: Write, clock: Clock
) -> None:
    write("2026-12-01", without_street)
    reread(policies)
    clock.now = day("2026-12-02")
    assert "user.contact.address.street" not in policies.current.table("support_1", "enquiries")

    clock.now = day("2026-06-15")
    (folder / "2026-12-01.yaml").unlink()
    reread(policies)

    assert policies.until(policies.version("2026-06-01")) is None


@pytest.mark.parametrize(
    ("version", "begins", "named"),
    [
        ("2026-12-01.0", "2027-01-01", "2026-12-01.0 stands twice"),
        ("2027-01-01", "2026-12-01", "begin at the same time"),
        ("2026-07-01", "2027-01-01", "2026-07-01 begins after 2026-12-01"),
    ],
)
def test_versions_follow_each_other_in_one_order(
    policies: PolicyInForce, write: Write, version: str, begins: str, named: str
) -> None:
    write(version, begins=day(begins))

    with pytest.raises(PolicyGap, match=named):
        reread(policies)


def test_what_else_a_version_must_fit_is_asked_of_now_and_later_but_not_of_the_past(
    policies: PolicyInForce,
) -> None:
    asked = []

    policies.require(lambda policy: asked.append(policy.version))

    assert asked == ["2026-06-01", "2026-12-01"]


def test_a_version_that_does_not_fit_the_rest_is_not_taken(
    policies: PolicyInForce, write: Write
) -> None:
    def fits(policy: Policy) -> None:
        if policy.version == "2026-06-10":
            raise PolicyGap([Gap((), "does not fit", "change it")])

    policies.require(fits)
    write("2026-06-10")

    with pytest.raises(PolicyGap, match="does not fit"):
        reread(policies)

    assert policies.current.version == "2026-06-01"


def test_the_hash_is_that_of_the_files_bytes(policies: PolicyInForce, folder: Path) -> None:
    import hashlib

    content = (folder / "2026-06-01.yaml").read_bytes()

    assert policies.current.hash == hashlib.sha256(content).hexdigest()
