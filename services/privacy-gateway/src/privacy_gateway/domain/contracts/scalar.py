"""Checking one plain value of a request against its schema."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

# A check gives the code of what is wrong, or None. It never sees a personal value:
# those are sealed and have validators of their own.
Check = Callable[[Any], str | None]
_ANNOTATIONS = {"title", "description", "default", "examples", "deprecated"}
_KNOWN = {
    "string": {"pattern", "minLength", "maxLength", "format", "enum", "const"},
    "integer": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "enum", "const"},
    "boolean": {"const"},
}


class Unsupported(ValueError):
    """A schema that the gateway cannot check; a gap."""


def compile_scalar(schema: Mapping[str, Any]) -> Check:
    """Raises Unsupported for what the gateway cannot check completely."""
    kind = schema.get("type") or _type_of_const(schema)
    if kind not in _KNOWN:
        raise Unsupported(f"type {kind}")
    said = {name for name in schema if not name.startswith("x-")} - _ANNOTATIONS - {"type"}
    unknown = said - _KNOWN[kind]
    if unknown:
        raise Unsupported(f"{kind} with {', '.join(sorted(unknown))}")
    if kind == "string":
        return _text(schema)
    if kind == "integer":
        return _integer(schema)
    return lambda value: None if value is True or value is False else "bool_type"


def _type_of_const(schema: Mapping[str, Any]) -> str | None:
    known = [schema["const"]] if "const" in schema else schema.get("enum", [])
    return "string" if known and all(isinstance(item, str) for item in known) else None


def is_free_text(schema: Mapping[str, Any]) -> bool:
    """Whether a person could type anything they like into it."""
    return schema.get("type") == "string" and not any(
        bound in schema for bound in ("pattern", "enum", "const", "format")
    )


def _text(schema: Mapping[str, Any]) -> Check:
    choices = set(schema["enum"]) if "enum" in schema else None
    if "const" in schema:
        choices = {schema["const"]}
    # JSON Schema's patterns are not anchored; `$` would also match before a last newline.
    pattern = re.compile(schema["pattern"].replace("$", r"\Z")) if "pattern" in schema else None
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength", 4096)
    moment = schema.get("format") == "date-time"
    if schema.get("format") not in {None, "date-time"}:
        raise Unsupported(f"format {schema['format']}")

    def check(value: Any) -> str | None:
        if not isinstance(value, str):
            return "string_type"
        if choices is not None:
            return None if value in choices else "not_a_choice"
        if not shortest <= len(value) <= longest:
            return "length"
        if pattern is not None and pattern.search(value) is None:
            return "pattern"
        return _moment(value) if moment else None

    return check


def _moment(value: str) -> str | None:
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return "datetime"
    return None if parsed.tzinfo is not None else "datetime_without_zone"


def _integer(schema: Mapping[str, Any]) -> Check:
    least = schema.get("minimum", schema.get("exclusiveMinimum", -(2**53)))
    most = schema.get("maximum", schema.get("exclusiveMaximum", 2**53))
    least += "exclusiveMinimum" in schema
    most -= "exclusiveMaximum" in schema
    choices = set(schema["enum"]) if "enum" in schema else None

    def check(value: Any) -> str | None:
        if not isinstance(value, int) or isinstance(value, bool):
            return "int_type"
        if choices is not None and value not in choices:
            return "not_a_choice"
        return None if least <= value <= most else "range"

    return check
