"""What the carrier takes: signed by the shop, readable with its key, and as published."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from joserfc import jwe
from joserfc.errors import JoseError
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from standardwebhooks import Webhook, WebhookVerificationError

from standins.carrier.identity import Identity

SUITE = ["ECDH-ES+A256KW", "A256GCM"]
ShipmentId = Annotated[str, StringConstraints(pattern=r"^shp_[0-9a-hjkmnp-tv-z]{26}$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class NotAccepted(Exception):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class _Published(BaseModel):
    """A member that was not published is refused: a partner is given what it needs and no more."""

    model_config = ConfigDict(extra="forbid")


class Recipient(_Published):
    name: Line
    phone: Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{3,14}$")] | None = None


class Address(_Published):
    line1: Line
    line2: Line | None = None
    city: Line
    region: Line | None = None
    postal_code: Line | None = None
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]


class Parcel(_Published):
    weight_grams: Annotated[int, Field(ge=1)]


class DeliveryRequest(_Published):
    type: Literal["delivery_request"]
    id: Annotated[str, StringConstraints(pattern=r"^dlv_[0-9a-hjkmnp-tv-z]{26}$")]
    shipment: ShipmentId
    sent_at: datetime
    recipient: Recipient
    address: Address
    parcel: Parcel


class PurgeRequest(_Published):
    type: Literal["purge_request"]
    id: Annotated[str, StringConstraints(pattern=r"^prg_[0-9a-hjkmnp-tv-z]{26}$")]
    delivery: Annotated[str, StringConstraints(pattern=r"^dlv_[0-9a-hjkmnp-tv-z]{26}$")]
    shipment: ShipmentId
    purge_by: datetime


class PurgeReminder(_Published):
    type: Literal["purge_reminder"]
    id: Annotated[str, StringConstraints(pattern=r"^prg_[0-9a-hjkmnp-tv-z]{26}-[0-9]{1,3}$")]
    purge_request: Annotated[str, StringConstraints(pattern=r"^prg_[0-9a-hjkmnp-tv-z]{26}$")]
    delivery: Annotated[str, StringConstraints(pattern=r"^dlv_[0-9a-hjkmnp-tv-z]{26}$")]
    shipment: ShipmentId
    purge_by: datetime


Message = PurgeRequest | PurgeReminder
"""About a purge."""
ABOUT_PURGES: dict[str, type[PurgeRequest] | type[PurgeReminder]] = {
    "purge_request": PurgeRequest,
    "purge_reminder": PurgeReminder,
}


class Delivery(BaseModel):
    """One delivery as the carrier keeps it. In the clear: it is the world outside."""

    webhook_id: str
    encrypted: bool
    times_received: int = 1
    first_received_at: datetime
    raw: str
    payload: dict[str, Any]

    @property
    def shipment(self) -> str:
        return str(self.payload["shipment"])


def open_message(body: bytes, headers: Mapping[str, str], identity: Identity) -> Delivery | Message:
    """Raises NotAccepted."""
    if identity.webhook_secret is None:
        raise NotAccepted(503, "no_secret_yet")
    try:
        message = Webhook(identity.webhook_secret).verify(body, dict(headers))
    except (WebhookVerificationError, ValueError):
        raise NotAccepted(401, "bad_signature") from None
    if isinstance(message, dict) and message.get("type") in ABOUT_PURGES:
        return _about_purge(message, headers)
    encrypted = isinstance(message, dict) and "encrypted" in message
    if encrypted:
        message = _decrypted(message["encrypted"], identity)
    try:
        request = DeliveryRequest.model_validate(message)
    except ValidationError:
        raise NotAccepted(422, "not_as_published") from None
    if request.id != headers["webhook-id"]:
        raise NotAccepted(422, "ids_differ")
    return Delivery(
        webhook_id=request.id,
        encrypted=encrypted,
        first_received_at=datetime.now(UTC),
        raw=body.decode(),
        payload=message,
    )


def _about_purge(message: dict[str, Any], headers: Mapping[str, str]) -> Message:
    try:
        request = ABOUT_PURGES[message["type"]].model_validate(message)
    except ValidationError:
        raise NotAccepted(422, "not_as_published") from None
    if request.id != headers["webhook-id"]:
        raise NotAccepted(422, "ids_differ")
    return request


def _decrypted(token: str, identity: Identity) -> dict[str, Any]:
    try:
        opened = jwe.decrypt_compact(token, identity.key, algorithms=SUITE)
        message = json.loads(opened.plaintext or b"")
    except (JoseError, ValueError, TypeError):
        raise NotAccepted(400, "cannot_decrypt") from None
    if not isinstance(message, dict):
        raise NotAccepted(422, "not_as_published")
    return message
