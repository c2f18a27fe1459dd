"""What a client may send, compiled from a service's contract.

Reading a body refuses undeclared members by name, checks and normalises what is there, and finds
the values to seal, to look up and to carry. It changes nothing outside the body it builds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from privacy_gateway.domain.contracts.document import Schema, nullable
from privacy_gateway.domain.contracts.reading import (
    Assignee,
    Carry,
    Errors,
    Lookup,
    Reading,
    Slot,
)
from privacy_gateway.domain.contracts.scalar import Check, Unsupported, compile_scalar
from privity_contracts import ids
from privity_rest.problems import safe_name


@dataclass(frozen=True, slots=True)
class Rules:
    """What the policy and the intake know about categories."""

    sealed: Mapping[str, Callable[[str], str]]  # category → normaliser; raises ValueError(code)
    groups: Mapping[str, Callable[[dict[str, Any], str], Errors]]


Node = Callable[[Any, str, dict[str, Any], str, Reading], None]


@dataclass(frozen=True, slots=True)
class _Member:
    node: Node
    required: bool
    null: bool


class RequestPlan:
    def __init__(self, schema: Schema, rules: Rules) -> None:
        """Raises Unsupported for a schema that cannot be checked completely."""
        self._root = _object(schema, rules, "")

    def read(self, body: Any) -> Reading:
        """`Reading.errors` holds a JSON pointer and a code for everything that is wrong."""
        reading = Reading()
        holder: dict[str, Any] = {}
        self._root(body, "", holder, "body", reading)
        reading.body = holder.get("body", {})
        return reading


def _object(schema: Schema, rules: Rules, where: str) -> Node:
    if schema.get("additionalProperties", False) is not False:
        raise Unsupported(f"{where or '/'}: open object")
    members, afterwards = _members(schema, rules, where)
    group = rules.groups.get(schema.get("x-privity-group", ""))
    if "x-privity-group" in schema and group is None:
        raise Unsupported(f"{where or '/'}: group {schema['x-privity-group']}")

    def read(value: Any, path: str, holder: dict[str, Any], name: str, out: Reading) -> None:
        if not isinstance(value, dict):
            out.errors.append((path, "object_type"))
            return
        built: dict[str, Any] = {}
        before, first_slot = len(out.errors), len(out.slots)
        for key, item in value.items():
            member = members.get(key)
            if member is None:
                out.errors.append((f"{path}/{safe_name(key)}", "unknown_field"))
            elif item is None and member.null:
                built[key] = None
            else:
                member.node(item, f"{path}/{key}", built, key, out)
        for key, member in members.items():
            if member.required and key not in value:
                out.errors.append((f"{path}/{key}", "required"))
        if group is not None and len(out.errors) == before:
            _apply_group(group, built, path, out, first_slot)
        for after in afterwards:
            after(value, built, path, out)
        holder[name] = built

    return read


def _members(schema: Schema, rules: Rules, where: str) -> tuple[dict[str, _Member], list[Any]]:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    required = set(schema.get("required", ()))
    members: dict[str, _Member] = {}
    afterwards = []
    for name, raw in properties.items():
        inner, null = nullable(raw)
        source = inner.get("x-privity-from", raw.get("x-privity-from"))
        if source is None:
            node = compile_node(inner, rules, f"{where}/{name}")
            members[name] = _Member(node, name in required, null)
            if "x-privity-works-on" in inner:
                afterwards.append(_assignee(name, inner["x-privity-works-on"]))
        elif "x-privity-carry" in inner or "x-privity-carry" in raw:
            carry = inner.get("x-privity-carry", raw.get("x-privity-carry"))
            members[source] = _Member(_carry(name, carry, inner), name in required, False)
        else:
            index, alone = _index(name, source, inner, properties, rules)
            afterwards.append(index)
            if alone is not None:
                members[source] = _Member(alone, name in required, False)
    return members, afterwards


def compile_node(schema: Schema, rules: Rules, where: str) -> Node:
    """Raises Unsupported, naming `where`, for what cannot be checked completely."""
    kind = schema.get("x-privity-kind")
    category = schema.get("x-privity-category", "")
    if kind == "sealed":
        if category not in rules.sealed:
            raise Unsupported(f"{where}: sealed as {category or 'nothing'}")
        return _sealed(category, rules.sealed[category])
    if kind == "secret":
        return _plain(_secret)
    if schema.get("type") == "object":
        return _object(schema, rules, where)
    if schema.get("type") == "array":
        return _array(schema, rules, where)
    try:
        return _plain(compile_scalar(schema))
    except Unsupported as exc:
        raise Unsupported(f"{where}: {exc}") from None


def _plain(check: Check) -> Node:
    def read(value: Any, path: str, holder: dict[str, Any], name: str, out: Reading) -> None:
        code = check(value)
        if code is None:
            holder[name] = value
        else:
            out.errors.append((path, code))

    return read


def _secret(value: Any) -> str | None:
    if not isinstance(value, str):
        return "string_type"
    return None if 1 <= len(value) <= 1024 else "length"


def _sealed(category: str, normalise: Callable[[str], str]) -> Node:
    def read(value: Any, path: str, holder: dict[str, Any], name: str, out: Reading) -> None:
        if not isinstance(value, str):
            out.errors.append((path, "string_type"))
            return
        try:
            plaintext = normalise(value)
        except ValueError as exc:
            out.errors.append((path, str(exc)))
            return
        holder[name] = plaintext  # for the fingerprint; replaced before anything leaves
        out.slots.append(Slot(holder, name, path, category, plaintext))

    return read


def _array(schema: Schema, rules: Rules, where: str) -> Node:
    items, null = nullable(schema["items"])
    if null or items.get("x-privity-kind") == "sealed":
        raise Unsupported(f"{where}: array of nulls or of bare sealed values; wrap them in objects")
    node = compile_node(items, rules, f"{where}[]")
    least, most = schema.get("minItems", 0), schema.get("maxItems", 200)

    def read(value: Any, path: str, holder: dict[str, Any], name: str, out: Reading) -> None:
        if not isinstance(value, list):
            out.errors.append((path, "list_type"))
            return
        if not least <= len(value) <= most:
            out.errors.append((path, "length"))
            return
        built = []
        for position, item in enumerate(value):
            place: dict[str, Any] = {}
            node(item, f"{path}/{position}", place, "item", out)
            built.append(place.get("item"))
        holder[name] = built

    return read


def _carry(name: str, carry: Mapping[str, str], schema: Schema) -> Node:
    fields = {
        wanted: (
            inner.get("x-privity-category") if inner.get("x-privity-kind") == "sealed" else None
        )
        for wanted, raw in schema.get("properties", {}).items()
        for inner, _ in [nullable(raw)]
    }

    def read(value: Any, path: str, holder: dict[str, Any], _: str, out: Reading) -> None:
        if not isinstance(value, str) or not ids.is_id(value):
            out.errors.append((path, "pattern"))
            return
        holder[name] = value  # for the fingerprint; replaced before anything leaves
        out.carries.append(Carry(holder, name, carry["service"], carry["path"], value, fields))

    return read


def _index(
    name: str, source: str, schema: Schema, properties: Mapping[str, Schema], rules: Rules
) -> tuple[Any, Node | None]:
    category = schema["x-privity-category"]
    if category not in rules.sealed:
        raise Unsupported(f"{name}: an index of {category}")
    normalise = rules.sealed[category]

    def fill(value: dict[str, Any], built: dict[str, Any], path: str, out: Reading) -> None:
        if not isinstance(value.get(source), str):
            return
        try:
            plaintext = normalise(value[source])
        except ValueError:
            return  # reported where the field itself is read
        if source not in properties:
            del built[source]  # it was for the look-up alone
        out.lookups.append(Lookup(built, name, category, plaintext))

    if source in properties:
        return fill, None

    def check(value: Any) -> str | None:
        if not isinstance(value, str):
            return "string_type"
        try:
            normalise(value)
        except ValueError as exc:
            return str(exc)
        return None

    return fill, _plain(check)


def _assignee(name: str, said: Mapping[str, str]) -> Any:
    if not said["work"].startswith("case/"):
        raise Unsupported(f"{name}: an assignee of {said['work']}")

    def find(value: dict[str, Any], built: dict[str, Any], path: str, out: Reading) -> None:
        staff_id = built.get(name)
        if staff_id is not None or said["absent"] == "caller":
            out.assignees.append(Assignee(f"{path}/{name}", staff_id, said["work"]))

    return find


def _apply_group(
    group: Callable[[dict[str, Any], str], Errors],
    built: dict[str, Any],
    path: str,
    out: Reading,
    first_slot: int,
) -> None:
    out.errors.extend(group(built, path))
    for slot in out.slots[first_slot:]:
        if slot.container is built:
            slot.plaintext = built[slot.name]
