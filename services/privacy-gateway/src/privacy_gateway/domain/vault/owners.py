"""Whose a scope is: the person for whom something was first sealed in it.

An order's or a case's id is minted with its first key and told to nobody before, so nobody can be
there earlier. Whose it is never changes, not even when its keys are destroyed.
"""

from collections import OrderedDict
from collections.abc import Collection

from privacy_gateway.domain.vault.data_keys import DataKeys


class Owners:
    def __init__(self, keys: DataKeys, *, remembered: int = 50_000) -> None:
        self._keys = keys
        self._remembered = remembered
        self._known: OrderedDict[str, str] = OrderedDict()

    async def of(self, scopes: Collection[str]) -> dict[str, str]:
        """Scopes in which nothing was ever sealed are absent. Raises KeysUnavailable."""
        asked = [scope for scope in scopes if scope not in self._known]
        if asked:
            self._known.update(await self._keys.first_in(asked))
        found = {scope: self._known[scope] for scope in scopes if scope in self._known}
        while len(self._known) > self._remembered:
            self._known.popitem(last=False)
        return found
