"""Rotations as they are written down: begun, how far, finished, and which keys were destroyed.

Whoever begins one that is running goes on with it. Each step is kept in the same commit as what it
tells of, and from there a gateway takes it to the audit store.
"""

from collections.abc import Sequence
from typing import Any, Literal

from privity_contracts import ids

Kind = Literal["key_encryption", "data_keys", "blind_index", "token_signing"]

_RUNNING = "SELECT * FROM key_rotations WHERE kind = $1 AND finished_at IS NULL"
_BEGIN = """
WITH begun AS (
    INSERT INTO key_rotations (id, kind) VALUES ($1, $2)
    ON CONFLICT (kind) WHERE finished_at IS NULL DO NOTHING RETURNING kind
)
INSERT INTO key_steps (kind, step) SELECT kind, 'begun' FROM begun
"""
_MOVED = """
UPDATE key_rotations SET key_id = coalesce($2, key_id), done = coalesce($3, done),
"left" = coalesce($4, "left"), problem = $5, moved_at = now()
WHERE id = $1 AND finished_at IS NULL
"""
_FINISH = """
WITH finished AS (
    UPDATE key_rotations SET finished_at = now(), moved_at = now(), "left" = 0, problem = NULL
    WHERE id = $1 AND finished_at IS NULL RETURNING kind, key_id
)
INSERT INTO key_steps (kind, step, key_id) SELECT kind, 'finished', key_id FROM finished
"""
_DESTROYED = """
INSERT INTO key_steps (kind, step, key_id)
SELECT $1, 'destroyed', key_id FROM unnest($2::text[]) AS key_id
ON CONFLICT (key_id) WHERE step = 'destroyed' DO NOTHING
"""


async def begin(connection: Any, kind: Kind) -> str:
    """The id of the rotation that is running from here on."""
    await connection.execute(_BEGIN, ids.mint("rot"), kind)
    rotation_id: str = (await connection.fetchrow(_RUNNING, kind))["id"]
    return rotation_id


async def running(connection: Any, kind: Kind) -> Any:
    """The row of the rotation, if there is one."""
    return await connection.fetchrow(_RUNNING, kind)


async def find(connection: Any, rotation_id: str) -> Any:
    return await connection.fetchrow("SELECT * FROM key_rotations WHERE id = $1", rotation_id)


async def move(
    connection: Any,
    rotation_id: str,
    *,
    key_id: str | None = None,
    done: int | None = None,
    left: int | None = None,
    problem: str | None = None,
) -> None:
    """What is not named stays as it was, except for the problem, which is over."""
    await connection.execute(_MOVED, rotation_id, key_id, done, left, problem)


async def finish(connection: Any, rotation_id: str) -> None:
    await connection.execute(_FINISH, rotation_id)


async def note_destroyed(connection: Any, kind: Kind, key_ids: Sequence[str]) -> None:
    await connection.execute(_DESTROYED, kind, list(key_ids))
