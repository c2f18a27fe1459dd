"""The audit log of the running shop, checked from outside by the command that an outsider has."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from privity_deploy.client import eventually
from privity_deploy.stack import Stack
from privity_postgres import for_driver

from .people import Customer

ORIGIN, WITNESS = "shop.example/audit", "witness.example/w1"
AUDIT = [sys.executable, "-m", "privity_transparency.command_line"]


@pytest.fixture
def keys(stack: Stack) -> list[str]:
    folder = stack.secrets.folder

    def key(name: str, file: str, *more: str) -> str:
        ran = subprocess.run(
            [*AUDIT, "key", *more, name, str(folder / "audit-log" / file)],
            capture_output=True,
            text=True,
            check=True,
        )
        return ran.stdout.strip()

    return [
        *("--log-key", key(ORIGIN, "signer.pub")),
        *("--witness-key", key(WITNESS, "witness.pub", "--witness")),
        *("--identity-key", str(folder / "gateway" / "audit-identity.pub")),
    ]


def verify(stack: Stack, keys: list[str], *more: str) -> tuple[int, dict[str, Any]]:
    url = for_driver(stack.places.runtime_url("privity_audit"))
    ran = subprocess.run(
        [*AUDIT, "verify", "database", *keys, "--json", "--quiet", *more],
        env={"PATH": os.environ["PATH"], "AUDIT_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout, ran.stderr
    return ran.returncode, json.loads(ran.stdout)


def in_the_log(stack: Stack, keys: list[str]) -> dict[str, Any]:
    """The report, once everything that was recorded until now is in the log."""
    report: dict[str, Any] = {}

    def caught_up() -> bool:
        code, said = verify(stack, keys)
        report.update(said)
        return code == 0 and said["records"] > 0 and said["pending"] == 0

    eventually(caught_up, within=30, what="everything recorded is in the log, and verified")
    return report


def test_what_the_shop_recorded_is_verified_and_an_edit_by_the_owner_is_named(
    stack: Stack, keys: list[str], customer: Customer, tmp_path: Path
) -> None:
    before = in_the_log(stack, keys)
    asyncio.run(_keep_head(stack, tmp_path / "kept"))
    customer.who.get("/v1/profile")

    after = in_the_log(stack, keys)
    assert after["records"] > before["records"]
    assert verify(stack, keys, "--known-checkpoint", str(tmp_path / "kept"))[0] == 0

    record_id = asyncio.run(_edit(stack))
    try:
        code, said = verify(stack, keys)
    finally:
        asyncio.run(_edit(stack, back=record_id))

    assert code == 1
    [finding] = said["findings"]
    assert (finding["fault"], finding["record_id"]) == ("altered", record_id)
    assert in_the_log(stack, keys)["clean"]


async def _keep_head(stack: Stack, path: Path) -> None:
    owner = await asyncpg.connect(for_driver(stack.places.owner_url("privity_audit")))
    note = await owner.fetchval("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1")
    path.write_text(note, "utf-8")  # noqa: ASYNC240  # a test may wait for its disk
    await owner.close()


async def _edit(stack: Stack, *, back: str | None = None) -> str:
    """Turns one letter of a leaf round, and with `back` round again."""
    owner = await asyncpg.connect(for_driver(stack.places.owner_url("privity_audit")))
    record_id = back or await owner.fetchval(
        "SELECT id FROM records WHERE process_id IS NOT NULL ORDER BY recorded_at LIMIT 1"
    )
    await owner.execute(
        "UPDATE records SET leaf = set_byte(leaf, octet_length(leaf) - 3, "
        "get_byte(leaf, octet_length(leaf) - 3) # 1) WHERE id = $1",
        record_id,
    )
    await owner.close()
    return str(record_id)
