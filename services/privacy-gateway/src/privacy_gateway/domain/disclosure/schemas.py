"""The published JSON Schemas, and whether something is as published."""

import re
from functools import cache
from importlib import resources
from typing import Any, Final

import jsonschema_rs
import orjson
from jsonschema_rs import ValidationErrorKind

from privity_rest.problems import pointer

DELIVERY_REQUEST: Final = "delivery-request.v1"
ENCRYPTED_DELIVERY: Final = "encrypted-delivery.v1"
PURGE_REQUEST: Final = "purge-request.v1"
PURGE_REMINDER: Final = "purge-reminder.v1"
PURGE_ATTESTATION: Final = "purge-attestation.v1"
TRACKING_REPORT: Final = "tracking-report.v1"
NAMES: Final = (
    DELIVERY_REQUEST,
    ENCRYPTED_DELIVERY,
    PURGE_REQUEST,
    PURGE_REMINDER,
    PURGE_ATTESTATION,
    TRACKING_REPORT,
)
MOST_ERRORS = 20
_CAPITAL = re.compile(r"[A-Z]")


@cache
def document(name: str) -> bytes:
    """The schema as it is published."""
    return (resources.files("privacy_gateway") / "schemas" / f"{name}.json").read_bytes()


def errors(name: str, value: Any) -> list[tuple[str, str]]:
    """Where `value` is not as published: a JSON pointer and a code each, never a value."""
    found: list[tuple[str, str]] = []
    for error in _validator(name).iter_errors(value):
        place = tuple(error.instance_path)
        kind = error.kind
        if isinstance(kind, ValidationErrorKind.AdditionalProperties):
            found.extend((pointer((*place, each)), "unknown_field") for each in kind.unexpected)
        elif isinstance(kind, ValidationErrorKind.Required):
            found.append((pointer((*place, kind.property)), "required"))
        else:
            found.append((pointer(place), _CAPITAL.sub(lambda m: f"_{m[0].lower()}", kind.name)))
    return found[:MOST_ERRORS]


@cache
def _validator(name: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(orjson.loads(document(name)), validate_formats=True)
