"""What a caller gets out, compiled from a service's contract for one purpose and role.

The answer is built from what is allowed. A member that the contract does not declare, or that the
policy does not list, has no place in the plan and so cannot appear.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from privacy_gateway.domain.audit.access import FieldAccess
from privacy_gateway.domain.contracts.document import Schema, nullable
from privacy_gateway.domain.policy.actions import Action
from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.policy.file import NOT_PERSONAL, CategoryRule
from privacy_gateway.domain.policy.generalise import COARSER
from privacy_gateway.domain.policy.masks import MASKS

Open = Callable[[str, Any], str | None]  # (token, receipt) → plaintext; None: it was deleted


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


@dataclass(frozen=True, slots=True)
class Found:
    """One unit in one answer, before it is recorded."""

    unit: Unit
    subject: str
    scope: str | None


@dataclass(frozen=True, slots=True)
class Withheld:
    field: str
    category: str


class _Leaf:
    __slots__ = ("action", "sealed", "transform")

    def __init__(self, action: Action, rule: CategoryRule, *, sealed: bool) -> None:
        self.action = action
        self.sealed = sealed
        self.transform: Callable[[str], str] | None = None
        # A rule that names none is refused with its file; if one comes here all the same, it
        # stops here rather than let the value pass as it is.
        if action is Action.MASK:
            self.transform = MASKS[rule.mask or ""]
        elif action is Action.GENERALISE:
            self.transform = COARSER[rule.generalise or ""]

    def find(self, value: Any, units: list[Found], tokens: list[str]) -> None:
        if self.sealed and value is not None and self.action is not Action.CARRY:
            if not isinstance(value, str):
                raise NotAsPromised("a sealed value that is no text")
            tokens.append(value)

    def build(self, value: Any, receipt: Any, receipts: Iterator[Any], open_: Open) -> Any:
        if value is None or self.action is Action.CARRY:
            return value
        if self.sealed:
            value = open_(value, receipt)
            if value is None:
                return None
        elif isinstance(value, (dict, list)):
            raise NotAsPromised("structure where the contract promises a plain value")
        return value if self.transform is None else self.transform(str(value))


class _Many:
    __slots__ = ("item",)

    def __init__(self, item: "Node") -> None:
        self.item = item

    def find(self, value: Any, units: list[Found], tokens: list[str]) -> None:
        if not isinstance(value, list):
            if value is None:
                return
            raise NotAsPromised("no list where the contract promises one")
        for entry in value:
            self.item.find(entry, units, tokens)

    def build(self, value: Any, receipt: Any, receipts: Iterator[Any], open_: Open) -> Any:
        if value is None:
            return None
        return [self.item.build(entry, receipt, receipts, open_) for entry in value]


class _Object:
    __slots__ = ("members", "unit")

    def __init__(self, members: tuple[tuple[str, "Node"], ...], unit: Unit | None) -> None:
        self.members = members
        self.unit = unit

    def find(self, value: Any, units: list[Found], tokens: list[str]) -> None:
        if value is None:
            return
        if not isinstance(value, dict):
            raise NotAsPromised("no object where the contract promises one")
        if self.unit is not None:
            units.append(Found(self.unit, self.unit.subject(value), self.unit.scope(value)))
        for name, node in self.members:
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


Node = _Leaf | _Many | _Object


class AnswerPlan:
    """For one route, purpose and role."""

    def __init__(
        self,
        schema: Schema,
        policy: Policy,
        *,
        role: str,
        purpose: str,
        only: frozenset[str] | None = None,
    ) -> None:
        """`only`: the categories that the caller's grant was narrowed to."""
        table = policy.table(role, purpose)
        if only is not None:
            table = {c: a for c, a in table.items() if c in only or c == NOT_PERSONAL}
        compiling = _Compiling(policy, table)
        self._root = compiling.node(schema, "", None)
        self.withheld = tuple(compiling.withheld)
        self.masked = tuple(compiling.masked)
        self.generalised = tuple(compiling.generalised)
        self.personal = compiling.personal

    def find(self, answer: Any) -> tuple[list[Found], list[str]]:
        """The units to record, in the order in which `build` meets them, and the tokens to open.

        Raises NotAsPromised.
        """
        units: list[Found] = []
        tokens: list[str] = []
        if self._root is not None:
            self._root.find(answer, units, tokens)
        return units, tokens

    def build(self, answer: Any, receipts: list[Any], open_: Open) -> dict[str, Any]:
        """Raises NotAsPromised, and what `open_` raises."""
        if self._root is None:
            return {}
        built = self._root.build(answer, None, iter(receipts), open_)
        return built if isinstance(built, dict) else {}


class _Compiling:
    def __init__(self, policy: Policy, table: Mapping[str, Action]) -> None:
        self._policy = policy
        self._table = table
        self.withheld: list[Withheld] = []
        self.masked: list[str] = []
        self.generalised: list[str] = []
        self.personal = False

    def node(self, schema: Schema, path: str, fields: list[FieldAccess] | None) -> Node | None:
        inner, _ = nullable(schema)
        if inner.get("type") == "object" and "x-privity-category" not in inner:
            return self._object(inner, path, fields)
        if inner.get("type") == "array":
            category = inner.get("x-privity-category")
            items = inner["items"]
            if category is not None:
                items = {"x-privity-category": category, **items}
            item = self.node(items, f"{path}[]", fields)
            return _Many(item) if item is not None else None
        return self._leaf({**schema, **inner}, path, fields)

    def _object(
        self, schema: Schema, path: str, fields: list[FieldAccess] | None
    ) -> _Object | None:
        subject, scope = schema.get("x-privity-subject"), schema.get("x-privity-scope")
        own: list[FieldAccess] | None = [] if subject else fields
        members = []
        for name, member in schema.get("properties", {}).items():
            node = self.node(member, f"{path}.{name}" if path else name, own)
            if node is not None:
                members.append((name, node))
        if not members:
            return None
        if subject is None:
            return _Object(tuple(members), None)
        kind, _, scope_field = (scope or "").partition("/")
        unit = Unit(subject, kind or None, scope_field or None, tuple(own or ()))
        return _Object(tuple(members), unit)

    def _leaf(self, schema: Schema, path: str, fields: list[FieldAccess] | None) -> _Leaf | None:
        category = schema["x-privity-category"]
        action = self._table.get(category, Action.WITHHOLD)
        if category != NOT_PERSONAL:
            self.personal = True
            if fields is not None:
                fields.append(FieldAccess(path, category, action.value))
        if action is Action.WITHHOLD:
            self.withheld.append(Withheld(path, category))
            return None
        if action is Action.MASK:
            self.masked.append(path)
        elif action is Action.GENERALISE:
            self.generalised.append(path)
        sealed = schema.get("x-privity-kind") == "sealed"
        return _Leaf(action, self._policy.category(category), sealed=sealed)
