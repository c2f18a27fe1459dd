"""The shape of an answer as far as it is given: objects, lists and the values in them.

Walked twice for each answer: to find whom it is about and what is sealed in it, before anything
is recorded; and to build what leaves, afterwards. Both are the gateway's hottest loops.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from privacy_gateway.domain.audit.access import FieldAccess
from privacy_gateway.domain.policy.actions import Action
from privacy_gateway.domain.policy.file import CategoryRule
from privacy_gateway.domain.policy.generalise import COARSER
from privacy_gateway.domain.policy.masks import MASKS

Open = Callable[[str, Any], str | None]  # (token, receipt) → plaintext; None: it was deleted
_STRUCTURE = (dict, list)


class NotAsPromised(Exception):
    """A service answered something that its contract does not allow. Holds names only."""


@dataclass(frozen=True, slots=True)
class Unit:
    """An object about one person: what of it is given, and under which receipt."""

    subject_field: str
    scope_kind: str | None
    scope_field: str | None
    fields: tuple[FieldAccess, ...]  # what the record will say

    def subject(self, value: Mapping[str, Any]) -> str:
        subject = value.get(self.subject_field)
        if not isinstance(subject, str):
            raise NotAsPromised(f"no subject in {self.subject_field}")
        return subject

    def scope(self, value: Mapping[str, Any]) -> str | None:
        if self.scope_kind is None or self.scope_field is None:
            return None
        return f"{self.scope_kind}/{value.get(self.scope_field)}"


@dataclass(slots=True)
class Found:
    """One unit in one answer, before it is recorded."""

    unit: Unit
    subject: str
    scope: str | None


class Leaf:
    __slots__ = ("opened", "transform")

    def __init__(self, *, opened: bool, transform: Callable[[str], str] | None) -> None:
        """`opened`: a sealed value that leaves in the clear, or as `transform` makes it."""
        self.opened = opened
        self.transform = transform

    @classmethod
    def of(cls, action: Action, rule: CategoryRule, *, sealed: bool) -> "Leaf":
        transform = None
        # A rule that names none is refused with its file. If one comes here all the same, this
        # raises rather than let the value pass as it is.
        if action is Action.MASK:
            transform = MASKS[rule.mask or ""]
        elif action is Action.GENERALISE:
            transform = COARSER[rule.generalise or ""]
        return cls(opened=sealed and action is not Action.CARRY, transform=transform)

    def find(self, value: Any, units: list[Found], tokens: list[str]) -> None:
        if self.opened and value is not None:
            if not isinstance(value, str):
                raise NotAsPromised("a sealed value that is no text")
            tokens.append(value)

    def build(self, value: Any, receipt: Any, receipts: Iterator[Any], open_: Open) -> Any:
        if value is None:
            return None
        if self.opened:
            value = open_(value, receipt)
            if value is None:
                return None
        elif isinstance(value, _STRUCTURE):
            raise NotAsPromised("structure where the contract promises a plain value")
        return value if self.transform is None else self.transform(str(value))

    def without(self, value: Any, subjects: frozenset[str]) -> Any:
        return value


class Many:
    __slots__ = ("item",)

    def __init__(self, item: "Node") -> None:
        self.item = item

    def find(self, value: Any, units: list[Found], tokens: list[str]) -> None:
        if not isinstance(value, list):
            if value is None:
                return
            raise NotAsPromised("no list where the contract promises one")
        find = self.item.find
        for entry in value:
            find(entry, units, tokens)

    def build(self, value: Any, receipt: Any, receipts: Iterator[Any], open_: Open) -> Any:
        if value is None:
            return None
        build = self.item.build
        return [build(entry, receipt, receipts, open_) for entry in value]

    def without(self, value: Any, subjects: frozenset[str]) -> Any:
        if not isinstance(value, list):
            return value
        kept = (self.item.without(entry, subjects) for entry in value)
        return [entry for entry in kept if entry is not None]


class Object:
    __slots__ = ("_opened", "_searched", "members", "unit")

    def __init__(self, members: tuple[tuple[str, "Node"], ...], unit: Unit | None) -> None:
        self.members = members
        self.unit = unit
        # What there is to find: sealed values here, and whatever may be further inside.
        self._opened = tuple(n for n, node in members if isinstance(node, Leaf) and node.opened)
        self._searched = tuple((n, node) for n, node in members if not isinstance(node, Leaf))

    def find(self, value: Any, units: list[Found], tokens: list[str]) -> None:
        if not isinstance(value, dict):
            if value is None:
                return
            raise NotAsPromised("no object where the contract promises one")
        unit = self.unit
        if unit is not None:
            units.append(Found(unit, unit.subject(value), unit.scope(value)))
        for name in self._opened:
            token = value.get(name)
            if token is not None:
                if not isinstance(token, str):
                    raise NotAsPromised("a sealed value that is no text")
                tokens.append(token)
        for name, node in self._searched:
            if name in value:
                node.find(value[name], units, tokens)

    def build(self, value: Any, receipt: Any, receipts: Iterator[Any], open_: Open) -> Any:
        if value is None:
            return None
        if self.unit is not None:
            receipt = next(receipts)
        return {
            name: node.build(value[name], receipt, receipts, open_)
            for name, node in self.members
            if name in value
        }

    def without(self, value: Any, subjects: frozenset[str]) -> Any:
        if not isinstance(value, dict):
            return value
        if self.unit is not None and value.get(self.unit.subject_field) in subjects:
            return None
        return {
            **value,
            **{n: node.without(value[n], subjects) for n, node in self._searched if n in value},
        }


Node = Leaf | Many | Object
