"""The table of data keys: finding, minting and retiring them, and what they were used for.

A place has one current key, which seals, and may have retired ones, which only open.
"""

import asyncio
import hmac
import os
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from privacy_gateway.domain.vault.kek import (
    KEY_BYTES,
    Belonging,
    KeyEncryption,
    KeyEncryptionUnavailable,
    NotUnwrapped,
    Wrapped,
)
from privacy_gateway.domain.vault.key_cache import DataKey, Place
from privity_contracts import ids

AUDIT_TAG = "audit_tag"
"""The reserved class of the key that a person's pseudonyms in the audit store hang on. It is never
replaced: another key would be another pseudonym."""

MOST_SEALS = 2**28
"""A key that has sealed this often is retired. Nonces are 96 random bits: that two of so many are
equal has a probability of 2⁻⁴¹ for each key, and NIST SP 800-38D (8.3) asks for at most 2⁻³², that
is 2³² seals. Processes tell their counts each second, so that one that dies takes a second's worth
with it: the distance to 2³² covers thousands of such deaths for each key."""

_FIND = """
SELECT *, created_at < now() - $5::interval AS old FROM data_keys WHERE key_id = ANY($1::text[])
UNION
SELECT data_keys.*, created_at < now() - $5::interval FROM data_keys
JOIN unnest($2::text[], $3::text[], $4::text[]) AS wanted (subject, scope, retention_class)
USING (subject, scope, retention_class) WHERE retired_at IS NULL OR destroyed_at IS NOT NULL
"""
_ADD = """
INSERT INTO data_keys (key_id, subject, scope, retention_class, wrapped, kek_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[])
AS new (key_id, subject, scope, retention_class, wrapped, kek_id) WHERE NOT EXISTS (
    SELECT FROM data_keys AS gone WHERE gone.destroyed_at IS NOT NULL
    AND (gone.subject, gone.scope, gone.retention_class)
    = (new.subject, new.scope, new.retention_class)
)
ON CONFLICT (subject, scope, retention_class) WHERE retired_at IS NULL DO NOTHING
"""
_RETIRE = """
UPDATE data_keys SET retired_at = now()
WHERE key_id = ANY($1::text[]) AND retired_at IS NULL AND destroyed_at IS NULL
"""
_FIRST = """
SELECT DISTINCT ON (scope) scope, subject FROM data_keys WHERE scope = ANY($1::text[])
ORDER BY scope, created_at
"""
_TELL = """
UPDATE data_keys SET seals = seals + used.times
FROM unnest($1::text[], $2::bigint[]) AS used (key_id, times)
WHERE data_keys.key_id = used.key_id
"""
_log = structlog.get_logger("privity.keys")

Fetch = Callable[..., Awaitable[list[Any]]]


@dataclass(slots=True)
class Found:
    current: dict[Place, DataKey] = field(default_factory=dict)
    keys: list[DataKey] = field(default_factory=list)
    destroyed: set[Place] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    """Ids of keys that are destroyed, were never there, or do not unwrap."""
    out_of_reach: set[Place] = field(default_factory=set)
    """There is a key, and what wraps it does not answer."""


class KeyTable:
    def __init__(self, fetch: Fetch, keks: KeyEncryption, *, longest_use: timedelta) -> None:
        self._fetch = fetch
        self._keks = keks
        self._longest_use = longest_use

    async def find(self, key_ids: Collection[str], places: Collection[Place]) -> Found:
        rows = await self._fetch(_FIND, list(key_ids), *_columns(places), self._longest_use)
        found = Found(closed=set(key_ids).difference(row["key_id"] for row in rows))
        if len(rows) == 1:
            await self._look_at(rows[0], found)
        else:
            await asyncio.gather(*(self._look_at(row, found) for row in rows))
        return found

    async def mint(self, places: Collection[Place]) -> None:
        """Where there is no current key, and none was ever destroyed."""
        # In one order everywhere: two processes that add the same places would block each other.
        in_order = sorted(places)
        belongings = [Belonging(ids.mint("key"), *place) for place in in_order]
        wrapped = await asyncio.gather(
            *(self._keks.wrap(os.urandom(KEY_BYTES), belonging) for belonging in belongings)
        )
        await self._fetch(
            _ADD,
            [belonging.key_id for belonging in belongings],
            *_columns(in_order),
            [each.text for each in wrapped],
            [each.kek_id for each in wrapped],
        )

    async def retire(self, keys: Sequence[DataKey]) -> None:
        await self._fetch(_RETIRE, sorted(key.key_id for key in keys))

    async def tell(self, times: Mapping[str, int]) -> None:
        """How often keys have sealed since it was told last."""
        in_order = sorted(times)
        await self._fetch(_TELL, in_order, [times[key_id] for key_id in in_order])

    async def first_in(self, scopes: Collection[str]) -> dict[str, str]:
        """For each scope that has or had a key, the subject of the first one."""
        rows = await self._fetch(_FIRST, list(scopes))
        return {row["scope"]: row["subject"] for row in rows}

    async def _look_at(self, row: Any, found: Found) -> None:
        place, key_id = Place(row["subject"], row["scope"], row["retention_class"]), row["key_id"]
        if row["destroyed_at"] is not None:
            found.destroyed.add(place)
            return
        try:
            material = await self._keks.unwrap(
                Wrapped(row["kek_id"], row["wrapped"]), Belonging(key_id, *place)
            )
        except KeyEncryptionUnavailable as exc:
            _log.error("key_out_of_reach", reason=str(exc))
            found.out_of_reach.add(place)
            return
        except NotUnwrapped as exc:
            # Its values are as unreadable as a destroyed key's; the others in the query are not.
            _log.error("key_not_unwrapped", reason=str(exc))
            found.closed.add(key_id)
            if row["retired_at"] is None:
                found.destroyed.add(place)
            return
        key = _data_key(row, place, material)
        found.keys.append(key)
        if key.is_current:
            found.current[place] = key


def _data_key(row: Any, place: Place, material: bytes) -> DataKey:
    return DataKey(
        key_id=row["key_id"],
        place=place,
        created_at=row["created_at"],
        cipher=AESGCM(material),
        tagging=hmac.digest(material, b"privity|tags", "sha256"),
        is_current=row["retired_at"] is None,
        is_old=row["old"] and place.retention_class != AUDIT_TAG,
        seals_left=MOST_SEALS - row["seals"],
    )


def _columns(places: Collection[Place]) -> tuple[list[str], list[str], list[str]]:
    """As the arrays that `unnest` takes."""
    return (
        [place.subject for place in places],
        [place.scope for place in places],
        [place.retention_class for place in places],
    )
