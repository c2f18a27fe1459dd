"""Who gets an order, and where: read sealed, carried sealed."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict

from privity_contracts import Category, Sealed
from privity_contracts.ids import OrderId, SubjectId
from privity_jobs import RetryLater
from privity_rest import GatewayClient


class DeliveryDetails(BaseModel):
    """What the order says of its delivery. What else the answer holds is not kept."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    order_id: OrderId
    subject_id: SubjectId
    recipient: Annotated[Sealed, Category("user.name")]
    phone: Annotated[Sealed, Category("user.contact.phone_number")] | None = None
    line1: Annotated[Sealed, Category("user.contact.address.street")]
    line2: Annotated[Sealed, Category("user.contact.address.street")] | None = None
    city: Annotated[Sealed, Category("user.contact.address.city")]
    region: Annotated[Sealed, Category("user.contact.address.state")] | None = None
    postal_code: Annotated[Sealed, Category("user.contact.address.postal_code")] | None = None
    country: str


async def delivery_details(gateway: GatewayClient, order_id: str) -> DeliveryDetails | None:
    """Nothing when there is no such order. Raises GatewayUnavailable and RetryLater."""
    answer = await gateway.get(f"/v1/orders/{order_id}/delivery")
    if answer.status == 404:
        return None
    if not answer.ok:
        raise RetryLater(f"orders_{answer.status}")
    return DeliveryDetails.model_validate(answer.body)
