"""Whether a record is one of those asked for, for who reads the log as it grows."""

from collections.abc import Mapping
from datetime import UTC
from typing import Any, NamedTuple

from privacy_gateway.domain.audit import leaf as leaves
from privacy_gateway.domain.audit.filters import Filters
from privacy_gateway.domain.vault.vault import Vault

_EQUAL = ("purpose", "decision", "kind", "role", "recipient", "service")


class Matching:
    """Holds the tags of whoever is asked for, by month."""

    def __init__(self, filters: Filters, vault: Vault) -> None:
        self._filters = filters
        self._vault = vault
        self._equal = {name: getattr(filters, name) for name in _EQUAL}
        self._months: dict[str, _Tags] = {}

    async def holds(self, leaf: Mapping[str, Any]) -> bool:
        """Newest or not: the same as the search for it would say."""
        if not self._holds_as_written(leaf):
            return False
        filters = self._filters
        if not filters.persons and filters.persons_work is None:
            return filters.actor is None or leaf["actor"] == filters.actor
        tags = await self._tags(leaf["at"][:7])
        return (
            (filters.subject is None or leaf.get("subject") == tags.persons[filters.subject])
            and (
                filters.actor is None
                or leaf["actor"] == tags.persons.get(filters.actor, filters.actor)
            )
            and (filters.persons_work is None or leaf.get("work") in tags.works)
        )

    def _holds_as_written(self, leaf: Mapping[str, Any]) -> bool:
        filters, at = self._filters, leaf["at"]
        if any(
            value is not None and leaf.get(name) != value for name, value in self._equal.items()
        ):
            return False
        plain = None if filters.persons_work is not None else filters.work
        if plain is not None and leaf.get("work") != plain:
            return False
        if filters.category is not None and not any(
            filters.category in by_category for by_category in leaf["fields"].values()
        ):
            return False
        if filters.since is not None and at < leaves.stamp(filters.since.astimezone(UTC)):
            return False
        return filters.until is None or at < leaves.stamp(filters.until.astimezone(UTC))

    async def _tags(self, month: str) -> "_Tags":
        found = self._months.get(month)
        if found is None:
            found = self._months[month] = await self._made(month)
        return found

    async def _made(self, month: str) -> "_Tags":
        filters = self._filters
        persons, what, work = filters.persons, filters.persons_work, filters.work
        pairs = [(person, person) for person in persons]
        pairs += [(person, what) for person in persons if what is not None]
        tags = await self._vault.tags(month, pairs, minting=False)
        # A person without a key has no tag, and no leaf has a member that is empty.
        named = {person: tags[person, person] or "" for person in persons}
        if what is None or work is None:
            return _Tags(named, frozenset())
        held = (tags[person, what] for person in persons)
        return _Tags(named, frozenset(leaves.with_tag(work, what, tag) for tag in held if tag))


class _Tags(NamedTuple):
    persons: dict[str, str]
    works: frozenset[str]
