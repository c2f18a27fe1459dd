"""Reading JSON that can be read in only one way.

Two readers. The fast one is a C parser plus a proof that the body holds nothing the parser
tolerates and we do not; it accepts or it doubts. The careful one is asked only in doubt: it
decides, and says where the fault is. Neither ever repeats a value.
"""

import json
import math
import re
from collections.abc import Iterable
from typing import Any

import orjson

from privity_rest import Malformed
from privity_rest.problems import safe_name

MAX_BYTES = 64 * 1024
MAX_DEPTH = 20
MAX_INTEGER = 2**53 - 1  # beyond it, readers see different numbers in the same digits (RFC 7493)
MAX_ERRORS = 20

_NUL = b"\\u0000"
_ESCAPED_COLON = re.compile(rb"\\u003a", re.IGNORECASE)
_SPACED_COLONS = (b" :", b"\n:", b"\t:", b"\r:")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NONZERO = re.compile(r"[1-9]")

Json = dict[str, Any] | list[Any] | str | int | float | bool | None


class MalformedJson(Malformed):
    code = "malformed_json"
    title = "The body is not JSON that can be read in only one way"


class _InDoubt(Exception):
    """The fast reader cannot prove that the body is clean."""


def parse(body: bytes, *, max_bytes: int = MAX_BYTES) -> Json:
    """Raises MalformedJson with the place and the kind of every fault that can be placed."""
    if len(body) > max_bytes:
        raise MalformedJson(errors=[("", "too_large")])
    try:
        value: Json = orjson.loads(body)
        if isinstance(value, dict | list):
            _prove(value, body)
        else:
            raise _InDoubt  # rare, and small
    except orjson.JSONDecodeError:
        raise MalformedJson(errors=_judge(body)[1] or [("", "malformed_json")]) from None
    except _InDoubt:
        value, errors = _judge(body)
        if errors:
            raise MalformedJson(errors=errors) from None
    return value


def parse_object(body: bytes, *, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """As `parse`, for a body that has to be an object."""
    value = parse(body, max_bytes=max_bytes)
    if type(value) is not dict:
        raise MalformedJson(errors=[("", "not_an_object")])
    return value


def _prove(value: dict[str, Any] | list[Any], body: bytes) -> None:
    """The parser keeps the last of duplicate members, so each duplicate leaves a colon too many."""
    members = _members(value, MAX_DEPTH - 1)
    if _NUL in body:
        raise _InDoubt
    # Without escaped quotes every quote begins or ends a text, and a member's colon stands behind
    # an end. Texts that begin with a colon can only make it too many, never too few.
    if (
        b'\\"' not in body
        and not any(spaced in body for spaced in _SPACED_COLONS)
        and body.count(b'":') == members
    ):
        return
    colons = body.count(b":") - members
    # An escaped colon would let a text pay for a duplicate's colon.
    if colons and (_ESCAPED_COLON.search(body) or colons != _colons_in_text(value)):
        raise _InDoubt


def _members(value: Any, depth: int) -> int:
    """How many members all objects have together."""
    if type(value) is dict:
        count, children = len(value), value.values()
    else:
        count, children = 0, value
    for child in children:
        kind = type(child)
        if kind is str or kind is bool or child is None:
            continue
        if kind is int:
            if not -MAX_INTEGER <= child <= MAX_INTEGER:
                raise _InDoubt
        elif kind is float or depth == 0:
            raise _InDoubt  # floats are rare, and what was written decides, not what was read
        else:
            count += _members(child, depth - 1)
    return count


def _colons_in_text(value: dict[str, Any] | list[Any]) -> int:
    count = 0
    children: Iterable[Any] = value
    if isinstance(value, dict):
        count, children = "".join(value).count(":"), value.values()
    for child in children:
        if type(child) is str:
            count += child.count(":")
        elif isinstance(child, dict | list):
            count += _colons_in_text(child)
    return count


class _Pairs(list[tuple[str, Any]]):
    """An object's members as they were written, duplicates and all."""


class _Fault:
    def __init__(self, code: str) -> None:
        self.code = code


def _judge(body: bytes) -> tuple[Json, list[tuple[str, str]]]:
    """The value, and what is wrong with it."""
    if body.startswith(b"\xef\xbb\xbf"):
        return None, [("", "byte_order_mark")]
    try:
        tree = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_Pairs,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=lambda _: _Fault("not_a_number"),
        )
    except UnicodeDecodeError:
        return None, [("", "invalid_utf8")]
    except RecursionError:
        return None, [("", "too_deep")]
    except ValueError:
        return None, [("", "malformed_json")]
    errors: list[tuple[str, str]] = []
    value = _build(tree, "", MAX_DEPTH, errors)
    return value, errors[:MAX_ERRORS]


def _integer(text: str) -> int | _Fault:
    if len(text) > 17 or abs(int(text)) > MAX_INTEGER:
        return _Fault("number_out_of_range")
    return int(text)


def _float(text: str) -> float | _Fault:
    value = float(text)
    written_as_nonzero = _NONZERO.search(text.lower().partition("e")[0]) is not None
    if not math.isfinite(value) or abs(value) > MAX_INTEGER or (written_as_nonzero and not value):
        return _Fault("number_out_of_range")
    return value


def _build(tree: Any, pointer: str, depth: int, errors: list[tuple[str, str]]) -> Any:
    if isinstance(tree, _Fault):
        errors.append((pointer, tree.code))
    elif isinstance(tree, str):
        _inspect(tree, pointer, errors)
    elif isinstance(tree, list) and depth == 0:
        errors.append((pointer, "too_deep"))
    elif isinstance(tree, _Pairs):
        return _build_object(tree, pointer, depth, errors)
    elif isinstance(tree, list):
        return [_build(v, f"{pointer}/{i}", depth - 1, errors) for i, v in enumerate(tree)]
    return tree


def _build_object(
    pairs: _Pairs, pointer: str, depth: int, errors: list[tuple[str, str]]
) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, child in pairs:
        place = f"{pointer}/{safe_name(name)}"
        _inspect(name, place, errors)
        if name in members:
            errors.append((place, "duplicate_member"))
        members[name] = _build(child, place, depth - 1, errors)
    return members


def _inspect(text: str, pointer: str, errors: list[tuple[str, str]]) -> None:
    if "\0" in text:
        errors.append((pointer, "nul_character"))
    if _SURROGATE.search(text):
        errors.append((pointer, "lone_surrogate"))
