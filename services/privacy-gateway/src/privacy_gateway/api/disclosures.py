"""Disclosures to partners, at the request of the service that arranges deliveries."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field, StringConstraints

from privacy_gateway.api.strict_body import body_of
from privacy_gateway.clients.webhooks import Webhooks
from privacy_gateway.domain.disclosure.deliveries import Parcel
from privacy_gateway.domain.disclosure.disclose import KIND, DeliveryRequest, disclose
from privacy_gateway.domain.disclosure.record import Matter, Means, require_trust
from privity_contracts import OPERATIONAL, Category, Contract, Sealed
from privity_contracts.ids import DeliveryId, OrderId, RecipientId, ShipmentId, SubjectId

Country = Annotated[
    str, StringConstraints(pattern=r"^[A-Z]{2}$"), Category("user.contact.address.country")
]

router = APIRouter(prefix="/v1/disclosures")


class DeliveryDetails(Contract):
    """As the order holds them."""

    recipient: Annotated[Sealed, Category("user.name")]
    phone: Annotated[Sealed, Category("user.contact.phone_number")]
    line1: Annotated[Sealed, Category("user.contact.address.street")]
    line2: Annotated[Sealed, Category("user.contact.address.street")] | None = None
    city: Annotated[Sealed, Category("user.contact.address.city")]
    region: Annotated[Sealed, Category("user.contact.address.state")] | None = None
    postal_code: Annotated[Sealed, Category("user.contact.address.postal_code")] | None = None
    country: Country


class ParcelFacts(Contract):
    weight_grams: Annotated[int, Field(ge=1, le=1_000_000), OPERATIONAL]


class NewDisclosure(Contract):
    id: DeliveryId
    recipient_id: RecipientId
    order_id: OrderId
    subject_id: SubjectId
    shipment_id: ShipmentId
    kind: Annotated[Literal["delivery_request"], OPERATIONAL]
    sealed: DeliveryDetails
    facts: ParcelFacts


@router.post("")
async def add(
    body: Annotated[NewDisclosure, body_of(NewDisclosure)], request: Request
) -> dict[str, Any]:
    """200 whatever became of it: the outcome says what the caller is to do next."""
    means: Means = request.app.state.means
    webhooks: Webhooks = request.app.state.webhooks
    matter = Matter(
        caller=request.scope["privity.caller"],
        request_id=request.scope["privity.request_id"],
        recipient_id=body.recipient_id,
        subject_id=body.subject_id,
        scope=f"order/{body.order_id}",
        resource=f"shipment/{body.shipment_id}",
    )
    await require_trust(means, matter, kind=KIND)
    outcome = await disclose(
        DeliveryRequest(
            matter=matter,
            parcel=Parcel(body.id, body.recipient_id, body.order_id, body.shipment_id),
            details={name: value for name, value in body.sealed if value is not None},
            weight_grams=body.facts.weight_grams,
        ),
        by=means,
        webhooks=webhooks,
        now=datetime.now(UTC),
    )
    return {
        "outcome": outcome.verdict,
        "status": outcome.status,
        "retry_after_seconds": outcome.retry_after_seconds,
        "reason": outcome.reason,
    }
