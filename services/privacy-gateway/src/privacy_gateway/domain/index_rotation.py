"""Another key for the blind index, while the gateway serves.

Two keys count while one takes over: whoever writes gives both forms, whoever looks asks for both,
and every unique index holds for both. Every index that has only the earlier form is made anew out
of its sealed value; then the earlier key is destroyed, and its forms go.

A job: where it stands is in the tables of keys and in the services, so it goes on after a crash
from there.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg

from privacy_gateway.clients.indexes import Indexes
from privacy_gateway.clients.line import for_driver
from privacy_gateway.domain.audit.access import Access, FieldAccess
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.intake.normalise import index_form
from privacy_gateway.domain.own_access import own_access
from privacy_gateway.domain.policy import Policy
from privacy_gateway.domain.vault import rings, rotations
from privacy_gateway.domain.vault.data_keys import KeyDestroyed
from privacy_gateway.domain.vault.kek import KEY_BYTES, KeyEncryption
from privacy_gateway.domain.vault.sealing import DoesNotOpen, NotSealed
from privacy_gateway.domain.vault.vault import NotInReceipt, Vault
from privity_contracts.indexes import Indexed, Renewal
from privity_jobs import RetryLater

ROTATION: Final = "index_rotation"
BATCH: Final = 200
LOOK_AGAIN: Final = 5.0
ANSWER_SECONDS = 60.0
"""The lease of the job is kept in another database: it would be renewed for as long as this one,
whose host is lost, says nothing."""
_RING: Final = "blind_index"
_STATES = """
SELECT key_id, state, generation FROM ring_keys WHERE ring = $1 ORDER BY state = 'current' DESC
"""


@dataclass(frozen=True, slots=True)
class Means:
    keys_url: str
    keks: KeyEncryption
    announce: Callable[[], Awaitable[None]]
    vault: Vault
    audit: AuditLog
    policy: Callable[[], Policy]
    indexes: Indexes
    first_key_file: Path


@dataclass(slots=True)
class _Count:
    done: int
    blocked: int = 0
    """Values that do not open, or that two rows have where one may."""


async def run(rotation_id: str, *, longest_request: timedelta, by: Means) -> None:
    """From wherever it stands to its end. `longest_request` is how long a request that came in may
    still write: so long after a key came or went, somebody may write as if it had not.

    Raises RetryLater and Unavailable.
    """
    connection = await asyncpg.connect(
        for_driver(by.keys_url), timeout=10, command_timeout=ANSWER_SECONDS
    )
    try:
        rotation = await rotations.find(connection, rotation_id)
        if rotation is None or rotation["finished_at"] is not None:
            return
        if rotation["key_id"] is None or await _has_earlier(connection):
            await _take_over(connection, rotation, by)
            await _fill(connection, rotation, longest_request, by)
            await rings.end(connection, _RING, announce=by.announce)
        # It was only the first one, and the ring has another.
        by.first_key_file.unlink(missing_ok=True)
        await asyncio.sleep(longest_request.total_seconds())
        await _strip(connection, by)
        await rotations.finish(connection, rotation_id)
    finally:
        connection.terminate()


async def _has_earlier(connection: Any) -> bool:
    return any(row["state"] != "current" for row in await connection.fetch(_STATES, _RING))


async def _take_over(connection: Any, rotation: Any, by: Means) -> None:
    """Both keys count everywhere when it returns, and nobody writes as if they did not."""
    rows = await connection.fetch(_STATES, _RING)
    if any(row["state"] == "leaving" for row in rows):
        key_id = rows[0]["key_id"]
        await by.announce()
    else:
        key_id = await rings.replace(
            connection,
            by.keks,
            _RING,
            os.urandom(KEY_BYTES),
            announce=by.announce,
            overlap=None,
            since=rotation["begun_at"],
        )
    await rotations.move(connection, rotation["id"], key_id=key_id)


async def _fill(connection: Any, rotation: Any, longest_request: timedelta, by: Means) -> None:
    """Returns when every value has its index by the new key, those of requests that were under
    way included. Raises RetryLater."""
    generation = await _generation(connection)
    count = _Count(rotation["done"])
    patience = asyncio.get_running_loop().time() + longest_request.total_seconds()
    await _pass(connection, rotation["id"], generation, count, by)
    await asyncio.sleep(max(0.0, patience - asyncio.get_running_loop().time()))
    count.blocked = 0
    await _pass(connection, rotation["id"], generation, count, by)
    left = (await by.indexes.standing(generation)).outdated
    if left:
        problem = "some_do_not_open" if count.blocked else None
        await rotations.move(connection, rotation["id"], left=left, problem=problem)
        raise RetryLater(problem or "some_are_new", seconds=LOOK_AGAIN)


async def _pass(
    connection: Any, rotation_id: str, generation: int, count: _Count, by: Means
) -> None:
    """Once through all that is outdated."""
    left = (await by.indexes.standing(generation)).outdated
    await rotations.move(connection, rotation_id, left=left)
    for service in by.indexes.names:
        after: str | None = ""
        while after is not None:
            page = await by.indexes.outdated(service, generation, after=after, limit=BATCH)
            after = page.after
            renewals = await _renewals(page.items, service, by)
            count.blocked += len(page.items) - len(renewals)
            if renewals:
                answer = await by.indexes.renew(service, renewals)
                count.done += answer.renewed
                count.blocked += answer.taken
            left = max(0, left - len(page.items))
            await rotations.move(connection, rotation_id, done=count.done, left=left)


async def _renewals(items: Sequence[Indexed], service: str, by: Means) -> list[Renewal]:
    """For all whose value opens."""
    if not items:
        return []
    policy = by.policy()
    accesses = [_access(each, service, policy) for each in items]
    receipts = await by.audit.record(accesses)
    await by.vault.prepare([each.value.token for each in items])
    made = []
    for each, receipt in zip(items, receipts, strict=True):
        validator = policy.category(each.value.category).validator or ""
        try:
            index = by.vault.reindex(
                each.value.token,
                receipt,
                lambda text, validator=validator: index_form(validator, text),  # type: ignore[misc]
            )
        except (KeyDestroyed, DoesNotOpen, NotSealed, NotInReceipt):
            continue  # deleted, and soon gone; or damaged, and then somebody has to look
        made.append(
            Renewal.model_validate(
                {"place": each.place, "row": each.row, "value": each.value, "index": index}
            )
        )
    return made


async def _strip(connection: Any, by: Means) -> None:
    generation = await _generation(connection)
    for service in by.indexes.names:
        while await by.indexes.retire(service, generation):
            pass


async def _generation(connection: Any) -> int:
    generation: int = (await connection.fetch(_STATES, _RING))[0]["generation"]
    return generation


def _access(each: Indexed, service: str, policy: Policy) -> Access:
    return own_access(
        policy,
        kind="key",
        purpose="service_operation",
        reason="index_made_anew",
        subject=each.subject_id,
        service=service,
        scope=each.scope,
        fields=(FieldAccess(each.place, each.value.category, "look_up"),),
    )
