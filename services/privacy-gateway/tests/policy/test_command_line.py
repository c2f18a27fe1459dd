"""`privacy-gateway policy …`, as somebody types it at the root of the repository."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
import yaml

from privacy_gateway.api import command_line

ROOT = Path(__file__).resolve().parents[4]
FOLDER = ROOT / "services" / "privacy-gateway" / "policy"
STREET = "user.contact.address.street"
Write = Callable[..., Path]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(ROOT)

    def call(*arguments: str) -> tuple[int, str, str]:
        status = command_line.main(["policy", *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


def test_the_committed_policies_and_contracts_have_no_gap(run) -> None:
    status, out, err = run("check")

    assert (status, err) == (0, "")
    assert "with 3 contracts" in out


def test_it_runs_as_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "privacy_gateway", "policy", "schema"],
        capture_output=True,
        check=True,
    )

    assert json.loads(ran.stdout)["type"] == "object"


@pytest.mark.parametrize(
    ("member", "value", "where"),
    [
        ("city", {"type": "string"}, "answer.city: no category"),
        (
            "city",
            {"type": "string", "x-privity-category": "user.contact.address.cty"},
            "did you mean user.contact.address.city?",
        ),
        (
            "city",
            {"type": "string", "x-privity-category": "user.contact.address.city"},
            "must be sealed",
        ),
    ],
)
def test_a_gap_in_a_contract_is_named_by_the_contracts_own_line(
    run, tmp_path: Path, member: str, value: dict, where: str
) -> None:
    document = json.loads((ROOT / "services" / "orders" / "openapi.json").read_text())
    for name, schema in document["components"]["schemas"].items():
        if "x-privity-subject" in schema and member in schema.get("properties", {}):
            schema["properties"][member] = value
            broken = name
    path = tmp_path / "orders" / "openapi.json"
    path.parent.mkdir()
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))

    status, _, err = run("--contract", str(path), "check")

    assert status == 1
    [line] = [each for each in err.splitlines() if where in each][:1]
    found = re.match(rf"{re.escape(str(path))}:(\d+): orders\.GET /v1/orders/", line)
    assert found, line
    lines = path.read_text().splitlines()
    assert f'"{member}": {{' in lines[int(found[1]) - 1]
    assert broken in "\n".join(lines[: int(found[1])])


def test_a_route_that_nobody_offers_is_named_by_the_policys_line(run, write: Write) -> None:
    path = write(
        "2026-01-01", lambda f: f["trust"]["orders"].update(reads=["/v1/orders/{order_id}/diary"])
    )

    status, _, err = run("--policy", str(path), "check")

    assert status == 1
    line = int(re.search(r"2026-01-01\.yaml:(\d+): trust\.orders\.reads: nobody offers", err)[1])
    assert "reads:" in path.read_text().splitlines()[line - 1]


def test_diff_speaks_plainly(run, write: Write, folder: Path) -> None:
    write("2026-01-01")
    write("2026-02-01", lambda f: f["rules"]["enquiries"]["support_1"]["mask"].remove(STREET))

    status, out, _ = run("--policy", str(folder), "diff", "2026-01-01", "2026-02-01")

    assert status == 0
    assert "- support_1 can no longer see the street for enquiries\n" in out
    assert (
        run("--policy", str(folder), "diff", "2026-01-01", "2026-01-01")[1] == "nothing changes\n"
    )


def test_explain_says_what_is_given_and_how_to_get_the_rest(run) -> None:
    status, out, _ = run("explain", "support_1", "enquiries", "/v1/orders/{order_id}/delivery")

    assert status == 0
    assert re.search(r"line1 +street +mask\n", out)
    assert re.search(r"region +region +withhold +Others get it for: .*delivery \(dispatch\)", out)


@pytest.mark.parametrize(
    ("role", "purpose", "resource", "said"),
    [
        ("support_1", "marketing", "order", "forbidden_purpose"),
        ("support_1", "enquirys", "order", "did you mean enquiries?"),
        ("warehouse", "enquiries", "order", "purpose_not_yours; it is for: support_1, support_2"),
        ("shop_owner", "audit_review", "/v1/orders", "purpose_not_served_here"),
        ("support_1", "enquiries", "/v1/diaries", "no service offers GET /v1/diaries"),
    ],
)
def test_explain_says_why_nothing_is_given(
    run, role: str, purpose: str, resource: str, said: str
) -> None:
    status, out, err = run("explain", role, purpose, resource)

    assert status == 1
    assert said in out + err


def test_the_committed_schema_is_that_of_the_loader(run) -> None:
    _, out, _ = run("schema")

    assert (FOLDER / "policy.schema.json").read_text() == out, (
        "privacy-gateway policy schema > services/privacy-gateway/policy/policy.schema.json"
    )


def test_the_committed_matrix_is_that_of_the_policy(run) -> None:
    """So that a change of one cell is seen by whoever reviews it, and by this test."""
    for path in FOLDER.glob("*.yaml"):
        _, out, _ = run("--policy", str(path), "matrix")

        assert path.with_suffix(".matrix.txt").read_text() == out, (
            f"privacy-gateway policy --policy {path.relative_to(ROOT)} matrix"
            f" > {path.relative_to(ROOT).with_suffix('.matrix.txt')}"
        )


def test_the_matrix_as_a_page_holds_every_cell_and_no_open_markup(run, write: Write) -> None:
    path = write("2026-01-01", lambda f: f["purposes"]["delivery"].update(label="<b>delivery</b>"))

    _, page, _ = run("--policy", str(path), "matrix", "--html")

    assert "&lt;b&gt;delivery" in page
    assert "<b>" not in page
    assert page.count("<td") > 200
    assert page.count("<table>") == page.count("</table>")
    assert "forbidden: yields nothing" in page


def test_a_file_that_is_not_there_is_said_so(run) -> None:
    status, _, err = run("--policy", "nowhere.yaml", "check")

    assert (status, err) == (1, "nowhere.yaml: No such file or directory\n")


def test_editors_find_the_schema(run) -> None:
    for path in FOLDER.glob("*.yaml"):
        first = path.read_text().splitlines()[0]
        assert first == "# yaml-language-server: $schema=policy.schema.json"
        assert yaml.safe_load(path.read_text())
