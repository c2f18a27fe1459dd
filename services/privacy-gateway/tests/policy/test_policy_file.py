"""A policy file with a gap or a contradiction is refused, and the gap is named by its line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from privacy_gateway.api import command_line
from privacy_gateway.domain.policy import Action, Policy, PolicyGap, load
from privacy_gateway.domain.policy.in_force import PolicyInForce, load_folder

from .broken import BROKEN

FOLDER = Path(__file__).parents[2] / "policy"
POLICY = max(FOLDER.glob("*.yaml"))
Write = Callable[..., Path]


def test_the_committed_policies_have_no_gap() -> None:
    assert load_folder(FOLDER)


@pytest.mark.parametrize("what", BROKEN)
def test_each_gap_is_named_with_its_line_and_a_way_out(write: Write, what: str) -> None:
    change, place, named = BROKEN[what]
    path = write("2026-01-01", change)

    with pytest.raises(PolicyGap) as caught:
        load(path)

    found = [g for g in caught.value.gaps if ".".join(map(str, g.place)) == place]
    assert any(named in str(gap) for gap in found), caught.value.gaps
    for gap in found:
        text = path.read_text().splitlines()[gap.line - 1]
        # The line holds the last part of the place that is in the file at all.
        assert gap.file == path.name
        assert gap.do
        assert gap.line == 1 or any(str(step) in text for step in gap.place), (gap, text)


def test_policy_check_names_each_broken_file_and_none_starts(
    write: Write, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(BROKEN) >= 20
    for what, (change, place, named) in BROKEN.items():
        path = write("2026-01-01", change)

        status = command_line.main(["policy", "--policy", str(path), "--no-contracts", "check"])

        said = capsys.readouterr().err
        assert status == 1, what
        assert any(f": {place}: " in line and named in line for line in said.splitlines()), said
        with pytest.raises(PolicyGap):
            PolicyInForce(folder)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("rules: [", "not YAML"),
        ("a: &a [*a]", "means nothing here"),
        ("- just\n- a list\n", "Input should be"),
        ("", "Input should be"),
        ("version: 1\n---\nversion: 2\n", "not YAML"),
        ("\tversion: x", "not YAML"),
    ],
)
def test_what_is_no_policy_at_all_is_refused(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)

    with pytest.raises(PolicyGap, match=named):
        load(path)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(PolicyGap, match="not UTF-8"):
        load(path)


def test_a_key_that_stands_twice_is_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY.read_text() + "\nretention: {}\n")

    with pytest.raises(PolicyGap, match="retention: stands twice") as caught:
        load(path)

    assert caught.value.gaps[0].line == len(path.read_text().splitlines())


def test_every_gap_of_a_file_is_named_at_once(write: Write) -> None:
    def change(file: dict) -> None:
        file["purposes"]["delivery"].update(basis="none", dpv="dpv:X")
        file["recipients"]["mail"]["allow"].append("user.payment")

    with pytest.raises(PolicyGap) as caught:
        load(write("2026-01-01", change))

    assert len(caught.value.gaps) >= 3


def test_purposes_and_roles_match_exactly() -> None:
    policy = Policy(load(POLICY))

    assert policy.may("dispatch", "delivery")
    for purpose in ("Delivery", "delivery ", "delivery,enquiries", "dеlivery", "", "*"):
        assert not policy.may("dispatch", purpose)


def test_what_is_not_listed_is_withheld() -> None:
    policy = Policy(load(POLICY))

    assert policy.table("warehouse", "warehousing").get("user.contact.email") is None
    assert policy.table("support_1", "enquiries")["user.name"] is Action.MASK
    assert "user.contact.email" in policy.preview("warehouse", "warehousing")["withhold"]


def test_a_sub_purpose_has_what_its_parent_has_unless_it_says_less() -> None:
    policy = Policy(load(POLICY))

    assert policy.table("support_1", "complaints") == policy.table("support_1", "enquiries")
    confirming = policy.table("dispatch", "distribution_confirmation")
    assert confirming["user.contact.address.state"] is Action.REVEAL
    assert confirming["user.contact.address.postal_code"] is Action.GENERALISE
    assert "user.contact.address.street" not in confirming
    assert not policy.may("partner", "distribution_confirmation")
    assert policy.file.purposes["refunds"].basis == "contract"


def test_a_sub_purpose_past_the_files_own_check_still_yields_no_more_than_its_parent() -> None:
    file = load(POLICY)
    rules = {**file.rules, "complaints": file.rules["rights_requests"]}

    policy = Policy(file.model_copy(update={"rules": rules}))

    assert not policy.may("data_protection_officer", "complaints")
    assert policy.table("support_2", "complaints")["user.name"] is Action.MASK
    assert "user.contact.address.street" in policy.table("support_2", "complaints")


def test_a_route_for_a_purpose_serves_its_parts_and_not_the_reverse() -> None:
    policy = Policy(load(POLICY))

    assert policy.serves(["enquiries"], "complaints")
    assert not policy.serves(["complaints"], "enquiries")
    assert not policy.serves(["enquiries"], "Enquiries")
