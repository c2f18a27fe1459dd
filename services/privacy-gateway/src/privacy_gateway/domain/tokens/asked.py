"""What somebody asks for at the token endpoint: read strictly, before anything is decided."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from privacy_gateway.domain import work
from privacy_gateway.domain.intake import strict_json
from privacy_gateway.domain.policy.limits import BREAK_GLASS
from privity_rest import Malformed, Refusal

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  # a name
JWT = "urn:ietf:params:oauth:token-type:jwt"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105  # a name
DETAIL = "privity_access"

_PARAMETERS = frozenset(
    {
        "grant_type",
        "subject_token",
        "subject_token_type",
        "requested_token_type",
        "authorization_details",
    }
)
_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")
_CATEGORY = re.compile(r"[a-z][a-z_]*(?:\.[a-z][a-z_]*){0,7}")
_TICKET = re.compile(r"[A-Z]{2,8}-[0-9]{1,8}")
_OPTIONAL = frozenset({"role", "categories"})
# An emergency has a reason and a number somewhere else, in place of work.
_AT_WORK = frozenset({"type", "purpose", "work"})
_IN_AN_EMERGENCY = frozenset({"type", "purpose", "reason", "ticket"})
_FORMS = {
    "purpose": _NAME,
    "work": work.FORM,
    "reason": _NAME,
    "ticket": _TICKET,
    "role": _NAME,
}


class OAuthRefusal(Refusal):
    """`code` is OAuth's own (RFC 6749 section 5.2); `detail` is one of our codes."""


class InvalidRequest(OAuthRefusal):
    code = "invalid_request"


class UnsupportedGrantType(OAuthRefusal):
    code = "unsupported_grant_type"


class InvalidDetails(OAuthRefusal):
    code = "invalid_authorization_details"


class AccessDenied(OAuthRefusal):
    code = "access_denied"


@dataclass(frozen=True, slots=True)
class Emergency:
    reason: str
    ticket: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants a grant for: with work, or in an emergency."""

    purpose: str
    work: str | None
    emergency: Emergency | None
    role: str | None
    categories: frozenset[str] | None


def check_parameters(form: Mapping[str, str]) -> None:
    """Raises OAuthRefusal unless this is a token exchange with one authorization detail."""
    # The standard says to ignore what is unknown; a `scope` that narrows would then be ignored too.
    if not form.keys() <= _PARAMETERS:
        raise InvalidRequest("unknown_parameter")
    if form.get("grant_type") != GRANT_TYPE:
        raise UnsupportedGrantType("token_exchange_only")
    known = {ACCESS_TOKEN, JWT, ID_TOKEN}
    if form.get("subject_token_type") not in known or "subject_token" not in form:
        raise InvalidRequest("subject_token")
    if form.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
        raise InvalidRequest("requested_token_type")
    if "authorization_details" not in form:
        raise InvalidDetails("required")


def read(text: str) -> Asked:
    """Exactly one detail; several would make a grant that is bound to nothing in particular."""
    try:
        details = strict_json.parse(text.encode(), max_bytes=8192)
    except Malformed:
        raise InvalidDetails("malformed_json") from None
    if not isinstance(details, list) or len(details) != 1 or not isinstance(details[0], dict):
        raise InvalidDetails("one_detail")
    detail = details[0]
    if detail.get("type", DETAIL) != DETAIL:
        raise InvalidDetails("type")
    urgent = detail.get("purpose") == BREAK_GLASS
    required = _IN_AN_EMERGENCY if urgent else _AT_WORK
    if not required <= detail.keys() <= required | _OPTIONAL:
        raise InvalidDetails("members")
    for member, form in _FORMS.items():
        value = detail.get(member, "absent")
        if not isinstance(value, str) or (member in detail and not form.fullmatch(value)):
            raise InvalidDetails(member)
    return Asked(
        purpose=detail["purpose"],
        work=detail.get("work"),
        emergency=Emergency(detail["reason"], detail["ticket"]) if urgent else None,
        role=detail.get("role"),
        categories=_categories(detail["categories"]) if "categories" in detail else None,
    )


def _categories(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not 0 < len(value) <= 64:
        raise InvalidDetails("categories")
    if not all(isinstance(name, str) and _CATEGORY.fullmatch(name) for name in value):
        raise InvalidDetails("categories")
    return frozenset(value)
