"""What a caller gets out, compiled from a service's contract for one purpose and role.

The answer is built from what is allowed. A member that the contract does not declare, or that the
policy does not list, has no place in the plan and so cannot appear.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from privacy_gateway.domain.audit.access import FieldAccess
from privacy_gateway.domain.contracts.document import Schema, nullable
from privacy_gateway.domain.contracts.shape import Found, Leaf, Many, Node, Object, Open, Unit
from privacy_gateway.domain.policy import explanation
from privacy_gateway.domain.policy.actions import Action
from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.policy.explanation import Why
from privacy_gateway.domain.policy.file import NOT_PERSONAL


@dataclass(frozen=True, slots=True)
class Given:
    """What becomes of one field of the contract, and why if it is not given."""

    name: str
    category: str
    action: Action
    why: Why | None


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
        compiling = _Compiling(policy, role, purpose, only)
        self._root = compiling.node(schema, "", None)
        self.fields = tuple(compiling.fields)
        self.personal = any(field.category != NOT_PERSONAL for field in self.fields)
        self.narrowed = compiling.narrowed
        self.withheld = tuple(field for field in self.fields if field.why is not None)
        # The same for each answer, so said once.
        self.said: dict[str, Any] = {"purpose": purpose, "policy": policy.version}
        for name, action in (("masked", Action.MASK), ("generalised", Action.GENERALISE)):
            fields = [field.name for field in self.fields if field.action is action]
            if fields:
                self.said[name] = fields
        self.said["withheld"] = [
            {"field": field.name, "reason": field.why.reason, "how": field.why.how}
            for field in self.fields
            if field.why is not None
        ]

    def find(self, answer: Any) -> tuple[list[Found], list[str]]:
        """The units to record, in the order in which `build` meets them, and the tokens to open.

        Raises NotAsPromised.
        """
        units: list[Found] = []
        tokens: list[str] = []
        if self._root is not None:
            self._root.find(answer, units, tokens)
        return units, tokens

    def without(self, answer: Any, subjects: frozenset[str]) -> Any:
        """The answer without the entries of lists that are about these people; None when it is
        about one of them itself."""
        return answer if self._root is None else self._root.without(answer, subjects)

    def build(self, answer: Any, receipts: list[Any], open_: Open) -> dict[str, Any]:
        """Raises NotAsPromised, and what `open_` raises."""
        if self._root is None:
            return {}
        built = self._root.build(answer, None, iter(receipts), open_)
        return built if isinstance(built, dict) else {}


class _Compiling:
    def __init__(
        self, policy: Policy, role: str, purpose: str, only: frozenset[str] | None
    ) -> None:
        self._policy = policy
        self._role = role
        self._table: Mapping[str, Action] = policy.table(role, purpose)
        self._only = only
        self.fields: list[Given] = []
        self.narrowed = False

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
            return Many(item) if item is not None else None
        return self._leaf({**schema, **inner}, path, fields)

    def _object(self, schema: Schema, path: str, fields: list[FieldAccess] | None) -> Object | None:
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
            return Object(tuple(members), None)
        kind, _, scope_field = (scope or "").partition("/")
        unit = Unit(subject, kind or None, scope_field or None, tuple(own or ()))
        return Object(tuple(members), unit)

    def _leaf(self, schema: Schema, path: str, fields: list[FieldAccess] | None) -> Leaf | None:
        category = schema["x-privity-category"]
        sealed = schema.get("x-privity-kind") == "sealed"
        action, why = self._decided(category, sealed=sealed)
        self.fields.append(Given(path, category, action, why))
        if category != NOT_PERSONAL and fields is not None:
            fields.append(FieldAccess(path, category, action.value))
        if action is Action.WITHHOLD:
            return None
        return Leaf.of(action, self._policy.category(category), sealed=sealed)

    def _decided(self, category: str, *, sealed: bool) -> tuple[Action, Why | None]:
        action = self._table.get(category, Action.WITHHOLD)
        if action is Action.CARRY and not sealed:
            action = Action.WITHHOLD  # what is on record as carried must not leave in the clear
        left_out = self._only is not None and category not in self._only
        if left_out and category != NOT_PERSONAL and action is not Action.WITHHOLD:
            self.narrowed = True
            return Action.WITHHOLD, explanation.withheld(
                self._policy, self._role, category, narrowed=True
            )
        if action is Action.WITHHOLD:
            return action, explanation.withheld(self._policy, self._role, category)
        return action, None
