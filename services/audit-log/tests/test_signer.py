"""The signer signs what continues everything it signed before, and nothing else, ever."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from audit_log.clients.signer import SignerClient, SignerRefused, SignerUnavailable
from audit_log.domain.heads import HeadsHeld
from audit_log.main import create_signer
from audit_log.settings import SignerSettings
from privity_transparency.checkpoint import Checkpoint, open_checkpoint
from privity_transparency.note import VerifierKey
from privity_transparency.witnessing import SignCheckpoint

from .conftest import ORIGIN, SECRET, ALog, GrowingLog, door_of, write_key


@pytest.fixture
def settings(tmp_path: Path) -> SignerSettings:
    write_key(tmp_path / "signer.pem")
    (tmp_path / "signer.heads").write_text("{}")
    (tmp_path / "inbound").touch(0o600)
    (tmp_path / "inbound").write_text(SECRET)
    return SignerSettings(
        origin=ORIGIN,
        key_file=tmp_path / "signer.pem",
        heads_file=tmp_path / "signer.heads",
        inbound_key_file=tmp_path / "inbound",
    )


KILLS = int(os.environ.get("PRIVITY_SIGNER_KILLS", "2"))  # `make torture` kills 100 times
COMMAND = ["-m", "uvicorn", "audit_log.main:create_signer", "--factory", "--no-access-log", "--uds"]


def asked(log: ALog, old: int, new: int) -> str:
    return str(SignCheckpoint(old, log.proof(old, new), log.checkpoint(new)))


async def key_of(door: httpx.AsyncClient) -> VerifierKey:
    return VerifierKey.parse((await door.get("/verifier-key")).text.strip())


async def test_signs_growth_step_by_step_and_the_same_again(
    settings: SignerSettings, a_log: ALog
) -> None:
    async with door_of(create_signer(settings), SECRET) as door:
        key = await key_of(door)

        for old, new in [(0, 0), (0, 5), (5, 5), (5, 256), (256, 300)]:
            answer = await door.post("/checkpoint", content=asked(a_log, old, new))

            assert answer.status_code == 200
            opened = open_checkpoint(answer.content, log_key=key)
            assert opened.checkpoint == a_log.checkpoint(new)


async def test_refuses_shorter_and_different_histories_also_after_a_restart(
    settings: SignerSettings, a_log: ALog, a_fork: ALog
) -> None:
    async with door_of(create_signer(settings), SECRET) as door:
        assert (await door.post("/checkpoint", content=asked(a_log, 0, 200))).status_code == 200

    async with door_of(create_signer(settings), SECRET) as door:
        statuses = {
            "shorter": await door.post("/checkpoint", content=asked(a_log, 0, 150)),
            "another of the same size": await door.post(
                "/checkpoint", content=asked(a_fork, 200, 200)
            ),
            "a fork": await door.post("/checkpoint", content=asked(a_fork, 200, 300)),
            "no proof": await door.post(
                "/checkpoint", content=str(SignCheckpoint(200, (), a_log.checkpoint(300)))
            ),
            "backwards": await door.post(
                "/checkpoint", content=str(SignCheckpoint(200, (), a_log.checkpoint(150)))
            ),
            "another log": await door.post(
                "/checkpoint",
                content=str(SignCheckpoint(200, (), a_log.checkpoint(200, "other.example"))),
            ),
            "unasked words": await door.post(
                "/checkpoint", content=asked(a_log, 200, 200) + "and more\n"
            ),
            "nonsense": await door.post("/checkpoint", content=b"\xff"),
            "too long": await door.post("/checkpoint", content=b"x" * 70_000),
        }
        after = await door.post("/checkpoint", content=asked(a_log, 200, 300))

    assert {name: answer.status_code for name, answer in statuses.items()} == {
        "shorter": 409,
        "another of the same size": 409,
        "a fork": 422,
        "no proof": 422,
        "backwards": 400,
        "another log": 400,
        "unasked words": 400,
        "nonsense": 400,
        "too long": 413,
    }
    assert statuses["shorter"].text == "200\n"
    assert after.status_code == 200


async def test_only_the_sequencer_may_ask(settings: SignerSettings, a_log: ALog) -> None:
    async with door_of(create_signer(settings)) as door:
        answer = await door.post("/checkpoint", content=asked(a_log, 0, 5))

    assert answer.status_code == 401


async def test_does_not_start_without_its_heads_beside_another_or_with_an_open_key(
    settings: SignerSettings,
) -> None:
    async with door_of(create_signer(settings)):
        with pytest.raises(HeadsHeld):
            async with door_of(create_signer(settings)):
                pass
    settings.key_file.chmod(0o644)
    with pytest.raises(ValueError, match="mode 600"):
        async with door_of(create_signer(settings)):
            pass
    settings.key_file.chmod(0o600)
    settings.heads_file.unlink()
    with pytest.raises(FileNotFoundError, match="begin a new log"):
        async with door_of(create_signer(settings)):
            pass


@asynccontextmanager
async def running(
    settings: SignerSettings, socket: Path, command: Sequence[str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    socket.unlink(missing_ok=True)  # noqa: ASYNC240  # a test may wait for its disk
    environment = {
        f"AUDIT_SIGNER_{name.upper()}": str(value) for name, value in settings.model_dump().items()
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        str(socket),
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        while not socket.exists():  # noqa: ASYNC240  # as above
            assert process.returncode is None
            await asyncio.sleep(0.02)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def killed_while_signing(
    settings: SignerSettings, socket: Path, log: GrowingLog, *, kills: int, command: Sequence[str]
) -> tuple[list[Checkpoint], int]:
    """What it answered, and how many heads it had signed whose answer nobody heard.

    Raises SignerRefused when, after a kill, it has signed something else than it was asked to.
    """
    chance, seen, unheard = random.Random(4), 0, 0
    answered: list[Checkpoint] = []
    for _ in range(kills):
        async with running(settings, socket, command) as process:
            client = SignerClient(socket, outbound_key_file=settings.inbound_key_file)
            killing = None
            while process.returncode is None:
                wanted = SignCheckpoint(seen, log.proof(seen, seen + 1), log.checkpoint(seen + 1))
                try:
                    note = await client.sign(wanted)
                except SignerUnavailable:
                    assert await process.wait() == -signal.SIGKILL
                except SignerRefused as refusal:
                    # Its head was durable, the answer was lost: we learn what it signed.
                    if refusal.signed_size != seen + 1:
                        raise
                    seen, unheard = seen + 1, unheard + 1
                else:
                    seen += 1
                    answered.append(Checkpoint.parse(note.text))
                    killing = killing or asyncio.get_running_loop().call_later(
                        chance.uniform(0.0, 0.12), process.send_signal, signal.SIGKILL
                    )
            await client.aclose()
    return answered, unheard


async def test_killed_at_any_instant_it_stands_by_every_answer_it_gave(
    settings: SignerSettings,
    a_fork: ALog,
    tmp_path: Path,
    record_figures: Callable[[str], None],
) -> None:
    socket, log = tmp_path / "s.sock", GrowingLog()

    answered, unheard = await killed_while_signing(
        settings, socket, log, kills=KILLS, command=COMMAND
    )

    async with running(settings, socket, COMMAND):
        client = SignerClient(socket, outbound_key_file=settings.inbound_key_file)
        with pytest.raises(SignerRefused) as refused:
            await client.sign(SignCheckpoint(0, (), a_fork.checkpoint(1)))
        await client.aclose()
    record_figures(
        f"signer killed {KILLS} times while it signed: {len(answered)} answers, {unheard} heads"
        f" kept whose answer was lost, at last it stood at {refused.value.signed_size}"
    )
    assert len(answered) >= KILLS
    assert refused.value.signed_size in {answered[-1].size, answered[-1].size + 1}
    assert answered == [log.checkpoint(each.size) for each in answered]


async def test_one_that_answers_before_its_head_is_durable_is_found_out(
    settings: SignerSettings, tmp_path: Path
) -> None:
    """The fault planted."""
    hasty = ["-m", "uvicorn", "hasty_signer:create_signer", "--app-dir", str(Path(__file__).parent)]

    with pytest.raises(SignerRefused) as refused:
        await killed_while_signing(
            settings,
            tmp_path / "s.sock",
            GrowingLog(),
            kills=20,
            command=[*hasty, "--factory", "--no-access-log", "--uds"],
        )

    assert refused.value.signed_size is not None
