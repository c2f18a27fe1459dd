"""The witness, by c2sp.org/tlog-witness and by the exchanges of another one (litewitness)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from audit_log.clients.witness import WitnessClient
from audit_log.main import create_witness
from audit_log.settings import WitnessSettings
from privity_transparency.checkpoint import open_checkpoint
from privity_transparency.encoding import hash_from
from privity_transparency.note import COSIGNATURE, ED25519, Note, NoteSigner, VerifierKey
from privity_transparency.witnessing import AddCheckpoint, parse_cosignatures

from .conftest import ORIGIN, VECTORS, WITNESS, ALog, door_of, write_key

NOW = 1_795_000_000


@pytest.fixture
def log_signer(tmp_path: Path) -> NoteSigner:
    return NoteSigner(ORIGIN, ED25519, write_key(tmp_path / "log.pem"))


@pytest.fixture
def settings(tmp_path: Path, log_signer: NoteSigner) -> WitnessSettings:
    return _settings(tmp_path, {ORIGIN: (str(log_signer.verifier),)})


def _settings(folder: Path, logs: dict[str, tuple[str, ...]]) -> WitnessSettings:
    write_key(folder / "witness.pem")
    (folder / "witness.heads").write_text("{}")
    return WitnessSettings(
        name=WITNESS,
        key_file=folder / "witness.pem",
        heads_file=folder / "witness.heads",
        logs=logs,
    )


def signed(log: ALog, size: int, signer: NoteSigner, origin: str = ORIGIN) -> Note:
    text = log.checkpoint(size, origin).text
    return Note(text, (signer.sign(text),))


async def test_cosigns_growth_with_the_time_and_what_it_answers_verifies(
    settings: WitnessSettings, log_signer: NoteSigner, a_log: ALog
) -> None:
    async with door_of(create_witness(settings, clock=lambda: NOW)) as door:
        key = VerifierKey.parse((await door.get("/verifier-key")).text.strip())

        for old, new in [(0, 7), (7, 7), (7, 300)]:
            note = signed(a_log, new, log_signer)
            asked = AddCheckpoint(old, a_log.proof(old, new), note)
            answer = await door.post("/add-checkpoint", content=str(asked))

            assert answer.status_code == 200
            whole = note.with_signatures(*parse_cosignatures(answer.content))
            opened = open_checkpoint(
                str(whole), log_key=log_signer.verifier, witness_keys=[key], quorum=1
            )
            assert [(each.key, each.time) for each in opened.cosigned_by] == [(key, NOW)]
            assert key.kind == COSIGNATURE


async def test_every_refusal_has_the_specifications_status(
    settings: WitnessSettings, log_signer: NoteSigner, a_log: ALog, a_fork: ALog, tmp_path: Path
) -> None:
    stranger = NoteSigner(ORIGIN, ED25519, write_key(tmp_path / "stranger.pem"))
    grown = signed(a_log, 300, log_signer)
    app = create_witness(settings, clock=lambda: NOW)
    async with door_of(app) as door:
        first = AddCheckpoint(0, (), signed(a_log, 200, log_signer))
        assert (await door.post("/add-checkpoint", content=str(first))).status_code == 200

    async with door_of(create_witness(settings, clock=lambda: NOW)) as door:

        async def status(old: int, proof: tuple[bytes, ...], note: Note) -> httpx.Response:
            return await door.post("/add-checkpoint", content=str(AddCheckpoint(old, proof, note)))

        answers = {
            "unknown origin": await status(
                0, (), signed(a_log, 5, log_signer, origin="other.example")
            ),
            "a stranger's signature": await status(200, (), signed(a_log, 200, stranger)),
            "old beyond new": await status(300, (), signed(a_log, 200, log_signer)),
            "old not the last": await status(150, a_log.proof(150, 300), grown),
            "old zero": await status(0, (), signed(a_log, 200, log_signer)),
            "another root of the last size": await status(200, (), signed(a_fork, 200, log_signer)),
            "a fork": await status(200, a_fork.proof(200, 300), signed(a_fork, 300, log_signer)),
            "no proof": await status(200, (), grown),
            "a proof for nothing": await status(
                200, a_log.proof(200, 300), signed(a_log, 200, log_signer)
            ),
            "nonsense": await door.post("/add-checkpoint", content=b"old 00\n\n"),
        }
        after = await status(200, a_log.proof(200, 300), grown)

    assert {name: answer.status_code for name, answer in answers.items()} == {
        "unknown origin": 404,
        "a stranger's signature": 403,
        "old beyond new": 400,
        "old not the last": 409,
        "old zero": 409,
        "another root of the last size": 409,
        "a fork": 422,
        "no proof": 422,
        "a proof for nothing": 422,
        "nonsense": 400,
    }
    for name in ("old not the last", "old zero"):
        assert answers[name].text == "200\n"
        assert answers[name].headers["content-type"] == "text/x.tlog.size"
    assert after.status_code == 200


async def test_the_exchanges_of_litewitness(
    tmp_path: Path, record_figures: Callable[[str], None]
) -> None:
    """But for the unknown log: the specification says 404 where that witness says 403."""
    file = VECTORS / "torchwood-litewitness/add-checkpoint.json"
    if not file.is_file():
        pytest.skip("the public vectors are not here (../shared/vectors)")
    cases: list[dict[str, Any]] = json.loads(file.read_text())["cases"]
    app = create_witness(_settings(tmp_path, _logs_of(cases)), clock=lambda: NOW)
    differing = 0

    async with door_of(app) as door:
        for case in cases:
            answer = await door.post("/add-checkpoint", content=case["body"].encode())

            expected = case["status"]
            if "unknown log" in str(case["asserts"]):
                expected, differing = 404, differing + 1
            assert answer.status_code == expected, case
            for wanted in case["asserts"]:
                _assert_body(wanted, answer.text)

    assert (len(cases), differing) == (10, 1)
    record_figures(
        f"vectors, litewitness: {len(cases)} exchanges, {differing} by the spec's status"
    )


def _logs_of(cases: list[dict[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Sigsum's logs go by the hash of their key; their signatures are notes' all the same."""
    logs: dict[str, tuple[str, ...]] = {}
    for case in cases:
        if "log_vkey" in case:
            logs[case["origin"]] = (case["log_vkey"],)
        else:
            public = bytes.fromhex(case["sigsum_log_public_key_hex"])
            origin = cases[0]["body"].split("\n")[2]
            logs[origin] = (str(VerifierKey(origin, ED25519, public)),)
    return logs


def _assert_body(wanted: str, body: str) -> None:
    if wanted.startswith("body contains "):
        text = json.loads(wanted.removeprefix("body contains "))
        assert text.replace("example.com/witness", WITNESS) in body
    else:
        assert body == json.loads(wanted.removeprefix("body == "))


async def test_the_client_speaks_to_the_witness(
    settings: WitnessSettings, log_signer: NoteSigner, a_log: ALog
) -> None:
    app = create_witness(settings, clock=lambda: NOW)
    async with door_of(app):
        client = WitnessClient("http://witness")
        client._client._transport = httpx.ASGITransport(app)
        asked = AddCheckpoint(0, (), signed(a_log, 9, log_signer))

        [line] = await client.add(AddCheckpoint.parse(str(asked)))

        assert line.name == WITNESS
        assert hash_from(asked.note.text.split("\n")[2]) == a_log.checkpoint(9).root
        await client.aclose()
