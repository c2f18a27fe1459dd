"""The JSON Schema of policy files, for editors: completion, and most mistakes while typing.

What it cannot say (that a named category exists, that a sub-purpose is narrower) the check says.
"""

from typing import Any

from privacy_gateway.domain.intake.normalise import VALIDATORS
from privacy_gateway.domain.policy.dpv import PURPOSES
from privacy_gateway.domain.policy.file import PolicyFile
from privacy_gateway.domain.policy.generalise import COARSER
from privacy_gateway.domain.policy.loading import INHERITED
from privacy_gateway.domain.policy.masks import MASKS


def schema() -> dict[str, Any]:
    made = PolicyFile.model_json_schema(by_alias=True)
    parts = made["$defs"]
    purpose = parts["Purpose"]
    # A sub-purpose has from its parent what it does not say.
    own = [name for name in purpose["required"] if name in INHERITED]
    purpose["required"] = [name for name in purpose["required"] if name not in own]
    purpose["anyOf"] = [{"required": ["inherits"]}, {"required": own}]
    purpose["properties"]["dpv"] = {"enum": sorted(PURPOSES)}
    category = parts["CategoryRule"]["properties"]
    for member, known in (("validator", VALIDATORS), ("mask", MASKS), ("generalise", COARSER)):
        category[member] = {**_said(category[member]), "enum": sorted(known)}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_trimmed(made)}


def _said(member: dict[str, Any]) -> dict[str, Any]:
    return {key: member[key] for key in ("description",) if key in member}


def _trimmed(node: Any) -> Any:
    """Without titles that only repeat a name; and what names a pattern takes no other name."""
    if isinstance(node, list):
        return [_trimmed(item) for item in node]
    if not isinstance(node, dict):
        return node
    closed = {"additionalProperties": False} if "patternProperties" in node else {}
    return closed | {
        key: _trimmed(value)
        for key, value in node.items()
        if key != "title" or not isinstance(value, str)
    }
