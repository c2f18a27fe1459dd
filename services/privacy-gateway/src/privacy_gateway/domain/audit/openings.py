"""What a tag stands for, sealed under the person's own key: it goes when the person goes.

One opening per tag, stored with the first record that uses the tag.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable
from typing import NamedTuple

from privacy_gateway.domain.audit.leaf import ERASED
from privacy_gateway.domain.vault.data_keys import AUDIT_TAG, KeyDestroyed
from privacy_gateway.domain.vault.vault import Vault

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

    async def of(
        self, month: str, wanted: Collection[tuple[str, str]]
    ) -> tuple[dict[tuple[str, str], str], list[Opening]]:
        """The tags, and what must be stored with them."""
        found = await self._vault.tags(month, wanted)
        tags = {pair: tag or ERASED for pair, tag in found.items()}
        openings = []
        for (person, what), tag in found.items():
            if tag is not None and tag not in self._stored:
                sealed = await self._sealed(person, what)
                openings += [Opening(tag, month, each) for each in sealed]
        return tags, openings

    def stored(self, openings: Iterable[Opening]) -> None:
        for opening in openings:
            self._stored[opening.tag] = None
        while len(self._stored) > self._remembered:
            self._stored.popitem(last=False)

    async def _sealed(self, person: str, what: str) -> list[str]:
        scope, classes = f"account/{person}", {CATEGORY: AUDIT_TAG}
        try:
            return await self._vault.seal(person, scope, [(CATEGORY, what)], classes=classes)
        except KeyDestroyed:
            return []  # destroyed this instant: the tag stays one that nobody can open
