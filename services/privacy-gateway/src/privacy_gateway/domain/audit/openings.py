"""What a tag stands for, sealed under the person's own key: it goes when the person goes.

One opening per tag, stored with the first record that uses the tag.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from privacy_gateway.domain.audit.leaf import ERASED
from privacy_gateway.domain.vault.data_keys import AUDIT_TAG, KeyDestroyed
from privacy_gateway.domain.vault.vault import Mark, Vault

CATEGORY = "user.unique_id"


class Opening(NamedTuple):
    tag: str
    month: str
    sealed: str


class Openings:
    """Makes tags, and the openings of those that this process has not stored before."""

    def __init__(self, vault: Vault, *, remembered: int = 50_000) -> None:
        self._vault = vault
        self._remembered = remembered
        self._stored: OrderedDict[str, None] = OrderedDict()

    async def of(self, marks: Iterable[Mark]) -> tuple[dict[Mark, str], list[Opening]]:
        wanted = list(dict.fromkeys(marks))
        tags = {
            mark: tag or ERASED
            for mark, tag in zip(wanted, await self._vault.tags(wanted), strict=True)
        }
        fresh = [
            await self._sealed(mark, tag)
            for mark, tag in tags.items()
            if tag != ERASED and tag not in self._stored
        ]
        return tags, [opening for opening in fresh if opening is not None]

    def stored(self, openings: Iterable[Opening]) -> None:
        for opening in openings:
            self._stored[opening.tag] = None
        while len(self._stored) > self._remembered:
            self._stored.popitem(last=False)

    async def _sealed(self, mark: Mark, tag: str) -> Opening | None:
        try:
            (token,) = await self._vault.seal(
                mark.person,
                f"account/{mark.person}",
                [(CATEGORY, mark.what)],
                classes={CATEGORY: AUDIT_TAG},
            )
        except KeyDestroyed:
            return None  # destroyed this instant: the tag stays one that nobody can open
        return Opening(tag, mark.month, token)


async def verified(vault: Vault, opening: Opening, *, person: str, what: str) -> bool:
    """Whether the tag is really this person's: an opening moved to another tag is not believed."""
    (tag,) = await vault.tags([Mark(person, opening.month, what)], minting=False)
    return tag == opening.tag


def by_tag(rows: Iterable[Mapping[str, str]]) -> dict[str, Opening]:
    return {row["tag"]: Opening(row["tag"], row["month"], row["sealed"]) for row in rows}
