"""The JSON Schema for editors and the loader agree on what has the shape of a policy."""

import copy
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import jsonschema_rs
import pytest
from pydantic import ValidationError

from privacy_gateway.domain.policy.file import PolicyFile
from privacy_gateway.domain.policy.loading import with_inherited
from privacy_gateway.domain.policy.schema import schema


def plain(node: Any) -> Any:
    """As an editor reads it: moments are text there."""
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(item) for item in node]
    return node.isoformat() if isinstance(node, (date, datetime)) else node


def places(node: Any, place: tuple = ()) -> Iterator[tuple]:
    yield place
    if isinstance(node, dict):
        for key, value in node.items():
            yield from places(value, (*place, key))
    elif isinstance(node, list) and node:
        yield from places(node[0], (*place, 0))


def broken(raw: dict) -> Iterator[tuple[str, dict]]:
    """The file with one thing missing, one too many, or one of another kind, at each place."""
    for place in places(raw):
        if not place:
            continue
        for how in ("missing", "extra", "list", "number", "text", "in quotes"):
            file = copy.deepcopy(raw)
            holder: Any = file
            for step in place[:-1]:
                holder = holder[step]
            if how == "missing":
                del holder[place[-1]]
            elif how == "extra" and isinstance(holder[place[-1]], dict):
                holder[place[-1]]["Not A Member"] = {}
            elif how == "list":
                holder[place[-1]] = [[]]
            elif how == "number":
                holder[place[-1]] = -7
            elif how == "in quotes" and isinstance(holder[place[-1]], (bool, int, float)):
                holder[place[-1]] = str(holder[place[-1]]).lower()
            elif how == "text":
                holder[place[-1]] = "Ünknown thing!"
            else:
                continue
            yield f"{how} {place}", file


@pytest.fixture(scope="module")
def validator() -> Any:
    return jsonschema_rs.validator_for(schema())


def has_shape(file: dict) -> bool:
    try:
        PolicyFile.model_validate(with_inherited(file))
    except ValidationError:
        return False
    return True


def test_the_committed_policy_has_the_shape_for_both(raw: dict, validator: Any) -> None:
    assert validator.is_valid(plain(raw))


def test_whatever_the_loader_takes_the_schema_takes_too(raw: dict, validator: Any) -> None:
    raw = plain(raw)
    refused = agreed = 0
    for what, file in broken(raw):
        if has_shape(file):
            assert validator.is_valid(file), what
        else:
            refused += 1
            agreed += not validator.is_valid(file)

    # Only the loader follows a parent to what a sub-purpose does not say itself.
    assert refused > 1000
    assert agreed / refused > 0.99
