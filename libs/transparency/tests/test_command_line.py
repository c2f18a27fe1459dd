"""`audit verify`: what it says, and its exit codes."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from privity_postgres.testing import DatabaseUrls
from privity_transparency import plans
from privity_transparency.command_line import FOUND_WRONG, NOT_READ, VERIFIED, main
from privity_transparency.proof import Bundle
from privity_transparency.tiles import TileId

from .conftest import RECORDS, plain
from .made_export import seal, write_export
from .made_log import MadeLog


@pytest.fixture
def keys(made: MadeLog) -> list[str]:
    return ["--log-key", str(made.log.verifier), "--witness-key", str(made.witness.verifier)]


@pytest.fixture
def bundle(tmp_path: Path, made: MadeLog) -> Path:
    stored = {TileId(level, number): hashes for level, number, hashes in made.rows["tiles"]}
    proof = plans.resolve(plans.inclusion(42, RECORDS), stored)
    made_bundle = Bundle(42, tuple(proof), made.heads[-1], made.rows["records"][42][2])
    path = tmp_path / "record.tlog-proof"
    path.write_text(str(made_bundle), "utf-8")
    return path


def test_a_bundle_is_verified_and_a_changed_one_is_not(
    bundle: Path, keys: list[str], made: MadeLog, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "bundle", str(bundle), *keys]) == VERIFIED
    assert "VERIFIED" in capsys.readouterr().out

    parsed = Bundle.parse(bundle.read_text("utf-8"))
    assert parsed.extra is not None
    for changed in (
        Bundle(43, parsed.proof, parsed.checkpoint, parsed.extra),
        Bundle(42, parsed.proof[1:], parsed.checkpoint, parsed.extra),
        Bundle(42, parsed.proof, made.heads[0], parsed.extra),
        Bundle(42, parsed.proof, parsed.checkpoint, parsed.extra.replace(b"read", b"seal")),
    ):
        bundle.write_text(str(changed), "utf-8")
        assert main(["verify", "bundle", str(bundle), *keys]) == FOUND_WRONG
        assert "record 4" in capsys.readouterr().out


def test_a_bundle_of_another_log_or_without_its_witness_is_not_verified(
    bundle: Path, keys: list[str], made: MadeLog, capsys: pytest.CaptureFixture[str]
) -> None:
    other = ["--log-key", str(made.log.verifier._replace(public=bytes(32)))]
    assert main(["verify", "bundle", str(bundle), *other]) == FOUND_WRONG

    parsed = Bundle.parse(bundle.read_text("utf-8"))
    alone = "".join(
        line
        for line in parsed.checkpoint.splitlines(keepends=True)
        if not line.startswith("— witness")
    )
    bundle.write_text(str(Bundle(42, parsed.proof, alone, parsed.extra)), "utf-8")
    assert main(["verify", "bundle", str(bundle), *keys]) == FOUND_WRONG
    assert main(["verify", "bundle", str(bundle), *keys, "--quorum", "0"]) == VERIFIED
    assert main(["verify", "bundle", str(bundle), *keys[:2]]) == VERIFIED
    capsys.readouterr()


def test_a_bundle_without_its_record_needs_it_from_elsewhere(
    bundle: Path, keys: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parsed = Bundle.parse(bundle.read_text("utf-8"))
    assert parsed.extra is not None
    bundle.write_text(str(Bundle(42, parsed.proof, parsed.checkpoint)), "utf-8")
    leaf = tmp_path / "leaf"
    leaf.write_bytes(parsed.extra)

    assert main(["verify", "bundle", str(bundle), *keys]) == NOT_READ
    assert main(["verify", "bundle", str(bundle), "--leaf", str(leaf), *keys]) == VERIFIED
    capsys.readouterr()


def test_an_export_tells_its_report_as_json(
    tmp_path: Path, made: MadeLog, keys: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_export(tmp_path / "export", made, range(10))

    assert main(["verify", "export", str(folder), *keys, "--json", "--quiet"]) == VERIFIED

    said = json.loads(capsys.readouterr().out)
    assert (said["clean"], said["records"], said["findings"]) == (True, 10, [])

    (folder / "records.ndjson").write_bytes(b"")
    assert main(["verify", "export", str(folder), *keys, "--json", "--quiet"]) == FOUND_WRONG

    said = json.loads(capsys.readouterr().out)
    assert said["clean"] is False
    assert said["faults"] == {"file": 2}
    assert [finding["fault"] for finding in said["findings"]] == ["file", "file"]


async def test_a_database_is_verified_and_a_wrong_password_is_not_repeated(
    urls: DatabaseUrls,
    made: MadeLog,
    keys: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    identity = base64.b64encode(made.identity).decode()
    monkeypatch.setenv("AUDIT_DATABASE_URL", plain(urls.runtime))
    arguments = ["verify", "database", *keys, "--identity-key", identity]

    assert await _apart(arguments) == VERIFIED
    captured = capsys.readouterr()
    assert f"{RECORDS:,} records in {len(made.rows['batches'])} batches" in captured.out
    assert f"{RECORDS:,} of {RECORDS:,} records" in captured.err

    assert await _apart(arguments[:-2]) == FOUND_WRONG
    assert "does not vouch for" in capsys.readouterr().out
    assert await _apart(["verify", "database", "postgresql://x:sesame@127.0.0.1:1/x", *keys]) == 3
    assert "sesame" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("name", ["batches.ndjson", "processes.ndjson"])
def test_a_line_that_is_none_is_a_fault_of_the_export(
    name: str, tmp_path: Path, made: MadeLog, keys: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_export(tmp_path / "export", made)
    (folder / name).write_bytes(b"nonsense\n" + (folder / name).read_bytes())

    assert main(["verify", "export", str(folder), *keys, "--quiet"]) == FOUND_WRONG

    assert f"line 1 of {name}: not the line of a" in capsys.readouterr().out


def test_what_an_export_does_not_prove_is_said(
    tmp_path: Path, made: MadeLog, keys: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_export(tmp_path / "export", made, range(10))
    (folder / "records.csv").write_bytes(b"for reading")
    seal(folder, size=RECORDS, records=10, whole=False)

    assert main(["verify", "export", str(folder), *keys, "--quiet"]) == VERIFIED

    told = capsys.readouterr().out
    assert "a selection: that none was left out is not proved" in told
    assert "files for reading, bound by the manifest alone: 1" in told


@pytest.mark.parametrize(
    "address",
    [
        "nonsense",
        "mysql://x:sesame@127.0.0.1/x",
        "postgresql://x:ses/ame@127.0.0.1:1/x",
        "postgresql://x:sesame@127.0.0.1:port/x",
    ],
)
def test_what_is_no_address_is_not_taken_for_a_forged_log(
    address: str, keys: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "database", address, *keys]) == NOT_READ

    said = capsys.readouterr()
    assert "not the address of a database" in said.err
    assert not {"ses", "sesame"} & set(re.split(r"\W+", said.err + said.out))


def test_a_known_checkpoint_that_is_no_text_could_not_be_read(
    tmp_path: Path, keys: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(b"\xff\xfe")

    address = "postgresql://127.0.0.1:1/x"
    arguments = ["verify", "database", address, *keys, "--known-checkpoint", str(kept)]
    assert main(arguments) == NOT_READ

    assert "a known checkpoint: it is not UTF-8" in capsys.readouterr().err


async def _apart(arguments: list[str]) -> int:
    """In a thread: the command brings its own loop."""
    import asyncio

    return await asyncio.to_thread(main, arguments)


def test_a_public_keys_file_is_written_as_logs_and_witnesses_name_theirs(
    made: MadeLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for signer, more in ((made.log, []), (made.witness, ["--witness"])):
        public = Ed25519PublicKey.from_public_bytes(signer.verifier.public)
        file = tmp_path / "key.pub"
        file.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

        assert main(["key", signer.name, str(file), *more]) == VERIFIED

        assert capsys.readouterr().out == f"{signer.verifier}\n"


async def test_a_file_may_hold_the_identities_of_all_times(
    urls: DatabaseUrls, made: MadeLog, keys: list[str], tmp_path: Path
) -> None:
    pems = [
        Ed25519PublicKey.from_public_bytes(raw).public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        for raw in (made.log.verifier.public, made.identity)
    ]
    file = tmp_path / "audit-identity.pub"
    arguments = ["verify", "database", plain(urls.runtime), *keys, "--identity-key", str(file)]

    file.write_bytes(b"".join(pems))
    assert await _apart(arguments) == VERIFIED

    file.write_bytes(pems[0])
    assert await _apart(arguments) == FOUND_WRONG


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify"],
        ["verify", "bundle", "x"],
        ["verify", "bundle", "x", "--log-key", "nonsense"],
        ["verify", "database", "--log-key", "x+00000000+AAAA"],
        ["verify", "export", "x", "--workers", "0"],
        ["key", "my log", base64.b64encode(bytes(32)).decode()],
        ["key", "log+1", base64.b64encode(bytes(32)).decode()],
    ],
)
def test_what_is_not_understood_ends_with_two(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    capsys.readouterr()
