"""The proof after a deletion: every sealed value of a person against every key that is left.

It gives a count and never a value. Nothing is opened for anybody, so there is no receipt.
"""

from collections.abc import Collection
from dataclasses import dataclass

from privacy_gateway.domain.vault import sealing
from privacy_gateway.domain.vault.data_keys import DataKeys, KeyDestroyed
from privacy_gateway.domain.vault.key_cache import DataKey


@dataclass(frozen=True, slots=True)
class Rescan:
    """`opened` names the keys that still open something."""

    values: int
    keys: int
    opened: tuple[str, ...]


async def rescan(
    keys: DataKeys, subject: str, tokens: Collection[str], left: Collection[str]
) -> Rescan:
    """`left` are the person's keys that are there still, by id, those that have to stay included.

    Each value is also tried under the key that it names, whoever says that this is destroyed.
    Raises KeysUnavailable.
    """
    parts = [sealing.parse(token) for token in sorted(tokens)]
    wanted = {*left, *(each.key_id for each in parts)}
    await keys.load(wanted)
    remaining = [key for key in (_still(keys, key_id) for key_id in wanted) if key is not None]
    opened = [key for key in remaining if any(_opens(each, key, subject) for each in parts)]
    return Rescan(len(parts), len(remaining), tuple(sorted(key.key_id for key in opened)))


def _still(keys: DataKeys, key_id: str) -> DataKey | None:
    try:
        return keys.loaded(key_id)
    except KeyDestroyed:
        return None


def _opens(parts: sealing.Parts, key: DataKey, subject: str) -> bool:
    try:
        sealing.open_sealed(parts, cipher=key.cipher, subject=subject)
    except sealing.DoesNotOpen:
        return False
    return True
