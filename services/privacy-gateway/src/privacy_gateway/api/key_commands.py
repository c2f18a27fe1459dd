"""`privacy-gateway keys …`: what is due, and rotating while the gateway serves.

Reads `GATEWAY_DATABASE_URL`, `GATEWAY_KEYS_DATABASE_URL`, `GATEWAY_SECRETS_DIR` and, if it is set,
`GATEWAY_KEY_ENCRYPTION` from the environment, as the gateway does. What it changes, every
running process takes over before the command goes on.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from pydantic import ValidationError

from privacy_gateway.clients.line import for_driver
from privacy_gateway.domain import index_rotation, key_rotation
from privacy_gateway.domain.tokens.jose import LONGEST_LIFETIME
from privacy_gateway.domain.vault import rings, rotations, signing_keys
from privacy_gateway.domain.vault.destruction import Destruction
from privacy_gateway.domain.vault.kek import KeyEncryption, KeyFile, StillNeeded
from privacy_gateway.domain.vault.key_places import key_encryption
from privacy_gateway.domain.vault.key_status import status
from privacy_gateway.settings import KeySettings
from privity_database import Database
from privity_jobs import enqueue
from privity_rest import Unavailable

LOOK_SECONDS = 0.5
LONGEST_REQUEST_SECONDS = 60
OVERLAP = timedelta(seconds=max(LONGEST_LIFETIME.values()) + 300)
"""Until the last token that an earlier key signed has expired."""


@dataclass(frozen=True, slots=True)
class _Means:
    keks: KeyEncryption
    keys: Any
    gateway: Any
    destruction: Destruction
    database: Database
    secrets_dir: Path


def add_to(areas: Any) -> None:
    keys = areas.add_parser("keys", help="what is due, and rotating while the gateway serves")
    actions = keys.add_subparsers(required=True, metavar="command")

    shown = actions.add_parser("status", help="ages, counts, what is due; exits 3 if something is")
    shown.set_defaults(answer=_running(_status))

    rotate = actions.add_parser("rotate", help="a new key takes over").add_subparsers(
        required=True, metavar="key"
    )
    kek = rotate.add_parser("kek", help="a new key-encryption key wraps everything anew")
    kek.add_argument("--resume", action="store_true", help="no new key: what is left to wrap")
    kek.add_argument("--batch", type=int, default=key_rotation.BATCH)
    kek.set_defaults(answer=_running(_rotate_kek))
    data = rotate.add_parser("data-keys", help="each place gets a new key at its next write")
    data.add_argument("--batch", type=int, default=key_rotation.BATCH)
    data.set_defaults(answer=_running(_rotate_data_keys))
    signing = rotate.add_parser("token-signing", help="tokens are signed with a new key")
    signing.add_argument(
        "--at-once", action="store_true", help="the old key has leaked: its tokens end now"
    )
    signing.set_defaults(answer=_running(_rotate_signing))

    index = rotate.add_parser("blind-index", help="every index is made anew, by a running gateway")
    index.add_argument(
        "--wait",
        type=int,
        default=LONGEST_REQUEST_SECONDS,
        help="how many seconds a request that came in may still write (%(default)s)",
    )
    index.set_defaults(answer=_running(_rotate_index))

    retire = actions.add_parser("retire", help="takes an earlier key-encryption key away")
    retire.add_argument("kek_id")
    retire.set_defaults(answer=_running(_retire))


async def _status(asked: argparse.Namespace, by: _Means) -> int:
    found = await status(
        by.keys.fetch, by.gateway.fetch, by.keks, secrets_dir=by.secrets_dir, now=datetime.now(UTC)
    )
    for line in found.lines:
        what = f"{line.kind.replace('_', '-')} {line.key or ''}"
        sys.stdout.write(f"{what:<45} {line.says}\n")
        if line.due:
            sys.stdout.write(f"{'':<45} due: {line.due}\n")
    for each in found.running:
        what = f"rotating {each.kind.replace('_', '-')}"
        sys.stdout.write(f"{what:<45} {each.done:,} done, {_count(each.left)} left")
        sys.stdout.write(f", waits: {each.problem}\n" if each.problem else "\n")
    sys.stdout.write(f"{'processes':<45} {found.processes} hold keys\n")
    return 3 if found.due else 0


def _count(number: int | None) -> str:
    return "an unknown number" if number is None else f"{number:,}"


async def _rotate_kek(asked: argparse.Namespace, by: _Means) -> int:
    rotation_id = await rotations.begin(by.keys, "key_encryption")
    if not asked.resume:
        sys.stdout.write(f"{await by.keks.rotate()} wraps from here on\n")
    await rotations.move(by.keys, rotation_id, key_id=await by.keks.current())
    await by.destruction.announce()
    unreadable = still = before = 0
    places = (
        (by.keys, key_rotation.RING_KEYS),
        (by.gateway, key_rotation.WEBHOOK_SECRETS),
        (by.keys, key_rotation.DATA_KEYS),
    )
    for connection, what in places:
        async for progress in key_rotation.rewrap(connection, by.keks, what, batch=asked.batch):
            done, left = progress.done, progress.left
            await rotations.move(by.keys, rotation_id, done=before + done, left=left)
            _show(f"{progress.of}: {done:,} wrapped anew, {left:,} left")
        sys.stdout.write("\n")
        before += progress.done
        unreadable, still = unreadable + progress.unreadable, still + progress.left
    if unreadable:
        sys.stderr.write(f"{unreadable:,} do not unwrap and stay as they are\n")
    if still:
        problem = "some_do_not_unwrap"
        await rotations.move(by.keys, rotation_id, left=still, problem=problem)
        return 1
    await rotations.finish(by.keys, rotation_id)
    return 0


async def _rotate_data_keys(asked: argparse.Namespace, by: _Means) -> int:
    rotation_id = await rotations.begin(by.keys, "data_keys")
    retired = 0
    async for key_ids in key_rotation.retire_data_keys(by.keys, batch=asked.batch):
        await by.destruction.announce(key_ids)
        retired += len(key_ids)
        await rotations.move(by.keys, rotation_id, done=retired)
        _show(f"data keys: {retired:,} only open from here on")
    sys.stdout.write("\n")
    await rotations.finish(by.keys, rotation_id)
    return 0


async def _rotate_signing(asked: argparse.Namespace, by: _Means) -> int:
    rotation_id = await rotations.begin(by.keys, "token_signing")
    key_id = await rings.replace(
        by.keys,
        by.keks,
        "token_signing",
        signing_keys.fresh(),
        announce=by.destruction.announce,
        overlap=OVERLAP,
        since=(await rotations.find(by.keys, rotation_id))["begun_at"],
    )
    await rotations.move(by.keys, rotation_id, key_id=key_id)
    await rotations.finish(by.keys, rotation_id)
    sys.stdout.write(f"{key_id} signs tokens from here on\n")
    if asked.at_once:
        ended = await rings.end(by.keys, "token_signing", announce=by.destruction.announce)
        sys.stdout.write(f"{len(ended)} earlier ones are accepted no more\n")
    return 0


async def _rotate_index(asked: argparse.Namespace, by: _Means) -> int:
    """Shows how far it is; ended here, it goes on all the same."""
    rotation_id = await rotations.begin(by.keys, "blind_index")
    async with by.database.transaction() as tx:
        payload = {"rotation_id": rotation_id, "wait": asked.wait}
        await enqueue(tx, index_rotation.ROTATION, payload, key=rotation_id)
    shown = None
    while True:
        found = await rotations.find(by.keys, rotation_id)
        line = f"blind index: {found['done']:,} made anew, {found['left'] or 0:,} left"
        if found["problem"]:
            line += f"; waits: {found['problem']}"
        if line != shown:
            _show(line)
            shown = line
        if found["finished_at"] is not None:
            sys.stdout.write(f"\n{found['key_id']} makes indexes; the earlier key is destroyed\n")
            return 0
        await asyncio.sleep(LOOK_SECONDS)


async def _retire(asked: argparse.Namespace, by: _Means) -> int:
    if not isinstance(by.keks, KeyFile):
        sys.stderr.write("a key service retires its own keys\n")
        return 1
    for connection, what in (
        (by.keys, key_rotation.DATA_KEYS),
        (by.keys, key_rotation.RING_KEYS),
        (by.gateway, key_rotation.WEBHOOK_SECRETS),
    ):
        if wrapped := await key_rotation.under(connection, what, asked.kek_id):
            sys.stderr.write(f"{asked.kek_id} still wraps {wrapped:,} {what.name}\n")
            return 1
    if by.keks.holds(asked.kek_id):
        if asked.kek_id == await by.keks.current():
            raise StillNeeded(f"{asked.kek_id} wraps")
        # Before it is done: killed in between, it is on record and asked for again.
        await rotations.note_destroyed(by.keys, "key_encryption", [asked.kek_id])
    await by.keks.retire(asked.kek_id)
    sys.stdout.write(
        f"{asked.kek_id} is out of the file; backups hold it as long as they are kept\n"
    )
    return 0


def _running(
    command: Callable[[argparse.Namespace, _Means], Coroutine[Any, Any, int]],
) -> Callable[[argparse.Namespace], int]:
    async def run(asked: argparse.Namespace) -> int:
        async with _means() as by:
            return await command(asked, by)

    def answer(asked: argparse.Namespace) -> int:
        try:
            return asyncio.run(run(asked))
        except ValidationError as gaps:
            for gap in gaps.errors(include_input=False):
                named = "GATEWAY_" + "_".join(map(str, gap["loc"])).upper()
                sys.stderr.write(f"{named}: {gap['msg']}\n")
            return 2
        except (Unavailable, StillNeeded, asyncpg.PostgresError) as exc:
            sys.stderr.write(f"{type(exc).__name__}: {exc}\nwhat was done stays done; ask again\n")
            return 1

    return answer


@asynccontextmanager
async def _means() -> AsyncIterator[_Means]:
    settings = KeySettings()  # type: ignore[call-arg]  # from the environment
    keys_url = settings.keys_database_url.get_secret_value()
    keys = await asyncpg.connect(for_driver(keys_url))
    gateway = await asyncpg.connect(for_driver(settings.database_url.get_secret_value()))
    keks = key_encryption(settings.key_encryption, secrets_dir=settings.secrets_dir)
    destruction = Destruction(keys_url)
    database = Database(settings.database_url.get_secret_value(), pool_size=1)
    try:
        yield _Means(keks, keys, gateway, destruction, database, settings.secrets_dir)
    finally:
        await database.dispose()
        destruction.close()
        await keks.close()
        await keys.close()
        await gateway.close()


def _show(line: str) -> None:
    """In place on a terminal, one below the other in a log."""
    sys.stdout.write(f"\r{line}" if sys.stdout.isatty() else f"{line}\n")
    sys.stdout.flush()
