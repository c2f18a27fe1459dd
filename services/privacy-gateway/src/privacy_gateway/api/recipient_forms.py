"""What the register of recipients takes in and shows."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final

from fastapi import Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from privacy_gateway.clients.endpoints import AllowedAddresses, UnsafeEndpoint
from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.recipients.agreements import Terms
from privacy_gateway.domain.recipients.public_key import PublicKey, UnusableKey
from privacy_gateway.domain.recipients.registry import Kind, Status
from privacy_gateway.domain.recipients.webhook_secrets import Use
from privacy_gateway.models import Agreement, Recipient, WebhookSecret
from privity_rest import Malformed, Unprocessable

_MAIL_SERVER: Final = re.compile(r"smtp://[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?:[1-9][0-9]{0,4}")
_IDEMPOTENCY_KEY: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")
_MANY_DIGITS: Final = re.compile(r"[0-9]{5}")


def _a_companys(name: str) -> str:
    # Nobody's phone number gets in by the way of a company's name.
    if _MANY_DIGITS.search(name):
        raise ValueError("too many digits")
    return name


CompanyName = Annotated[
    str,
    StringConstraints(pattern=r"^[\p{L}\p{N}][\p{L}\p{N} .,&'()-]{0,79}$"),
    AfterValidator(_a_companys),
]
Endpoint = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
CategoryName = Annotated[str, StringConstraints(pattern=r"^[a-z_]+(\.[a-z_]+){1,5}$")]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class NewRecipient(_Form):
    name: CompanyName
    kind: Kind
    endpoint: Endpoint
    public_key: PublicKey | None = None


class NewAgreement(_Form):
    """`valid_until` is the last day."""

    document_sha256: Sha256
    signed_on: date
    valid_from: date
    valid_until: date
    purposes: Annotated[tuple[Name, ...], Field(min_length=1, max_length=20)]
    categories: Annotated[tuple[CategoryName, ...], Field(min_length=1, max_length=40)]
    days_until_purge: Annotated[int, Field(ge=0, le=3650)]


HASHES: Final = frozenset({"/document_sha256"})


class NewStatus(_Form):
    status: Status


class NewEndpoint(_Form):
    endpoint: Endpoint


class NewKey(_Form):
    public_key: PublicKey | None


class Rotation(_Form):
    """Without overlap, every earlier secret ends at once."""

    use: Use
    overlap_hours: Annotated[int, Field(ge=0, le=168)] = 24


def idempotency_key(request: Request) -> str:
    """Raises Malformed."""
    key: str = request.headers.get("idempotency-key", "")
    if _IDEMPOTENCY_KEY.fullmatch(key) is None:
        raise Malformed("an Idempotency-Key of 8 to 64 letters, digits, - and _ is needed")
    return key


def check_recipient(body: NewRecipient, allowed: AllowedAddresses) -> None:
    """Raises Unprocessable."""
    check_endpoint(body.endpoint, body.kind, allowed)
    check_key(body.public_key, body.kind)


def check_endpoint(endpoint: str, kind: str, allowed: AllowedAddresses) -> None:
    """Raises Unprocessable. Where a name leads is looked up when something is sent there."""
    if kind == "mail":
        if _MAIL_SERVER.fullmatch(endpoint) is None:
            raise Unprocessable(errors=[("/endpoint", "not_a_mail_server")])
        return
    try:
        allowed.parse(endpoint)
    except UnsafeEndpoint as exc:
        raise Unprocessable(errors=[("/endpoint", str(exc))]) from None


def check_key(key: PublicKey | None, kind: str) -> None:
    """Raises Unprocessable."""
    if key is None:
        return
    if kind != "delivery":
        raise Unprocessable(errors=[("/public_key", "not_for_this_kind")])
    try:
        key.imported()
    except UnusableKey:
        raise Unprocessable(errors=[("/public_key", "not_on_the_curve")]) from None


def check_has_secrets(kind: str) -> None:
    """Raises Unprocessable."""
    if kind != "delivery":
        raise Unprocessable(errors=[("/use", "not_for_this_kind")])


def terms(body: NewAgreement, kind: str, *, policy: Policy, now: datetime) -> Terms:
    """An agreement can say less than the policy, and nothing beside it. Raises Unprocessable."""
    errors = []
    if body.signed_on > now.astimezone(UTC).date():
        errors.append(("/signed_on", "in_the_future"))
    if body.valid_until < body.valid_from:
        errors.append(("/valid_until", "before_valid_from"))
    for position, purpose in enumerate(body.purposes):
        if purpose not in policy.file.purposes:
            errors.append((f"/purposes/{position}", "unknown_purpose"))
        elif policy.forbidden(purpose):
            errors.append((f"/purposes/{position}", "forbidden_purpose"))
    allowed = policy.allow_list(kind)
    for position, category in enumerate(body.categories):
        if category not in allowed:
            errors.append((f"/categories/{position}", "not_allowed_by_policy"))
    if errors:
        raise Unprocessable(errors=errors)
    return Terms(**body.model_dump())


def summary(recipient: Recipient) -> dict[str, Any]:
    key = recipient.public_key
    return {
        "id": recipient.id,
        "name": recipient.name,
        "kind": recipient.kind,
        "endpoint": recipient.endpoint,
        "endpoint_gone_at": recipient.endpoint_gone_at,
        "key_id": key["kid"] if key else None,
        "status": recipient.status,
        "created_at": recipient.created_at,
    }


def agreement(signed: Agreement) -> dict[str, Any]:
    return {
        "id": signed.id,
        "document_sha256": signed.document_sha256,
        "signed_on": signed.signed_on,
        "valid_from": signed.valid_from,
        "valid_until": signed.valid_until,
        "purposes": signed.purposes,
        "categories": signed.categories,
        "days_until_purge": signed.days_until_purge,
        "recorded_at": signed.recorded_at,
    }


def whole(
    recipient: Recipient, signed: Sequence[Agreement], secrets: Sequence[WebhookSecret]
) -> dict[str, Any]:
    """Everything of a recipient but the secrets themselves."""
    return {
        **summary(recipient),
        "public_key": recipient.public_key,
        "agreements": [agreement(each) for each in signed],
        "secrets": [
            {
                "id": each.id,
                "use": each.use,
                "created_at": each.created_at,
                "expires_at": each.expires_at,
            }
            for each in secrets
        ],
    }
