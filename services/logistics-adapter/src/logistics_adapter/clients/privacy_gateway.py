"""Asking the gateway to give a partner what it needs. Only there is the payload ever readable."""

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict

from logistics_adapter.clients.orders import DeliveryDetails
from privity_contracts import Sealed
from privity_jobs import RetryLater
from privity_rest import GatewayClient

SEALED = ("recipient", "phone", "line1", "line2", "city", "region", "postal_code")
_CODE = re.compile(r"[a-z][a-z0-9_]{0,39}")
# The gateway says no to the request itself. Asking again would not change its mind.
_REFUSED = {403, 404, 409, 422}


class Outcome(BaseModel):
    """What became of one attempt. `reason` is a code."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    outcome: Literal["delivered", "retry", "rejected", "gone", "no_agreement"]
    status: int | None = None
    retry_after_seconds: int | None = None
    reason: str | None = None

    @property
    def why(self) -> str:
        return self.reason if self.reason and _CODE.fullmatch(self.reason) else self.outcome


async def request_delivery(
    gateway: GatewayClient,
    *,
    delivery_id: str,
    recipient_id: str,
    shipment_id: str,
    weight_grams: int,
    details: DeliveryDetails,
) -> Outcome:
    """Raises GatewayUnavailable, and RetryLater for what may heal without us."""
    sealed: dict[str, str] = {"country": details.country}
    for name in SEALED:
        value: Sealed | None = getattr(details, name)
        if value is not None:
            sealed[name] = value.token
    answer = await gateway.post(
        "/v1/disclosures",
        {
            "id": delivery_id,
            "recipient_id": recipient_id,
            "order_id": details.order_id,
            "subject_id": details.subject_id,
            "shipment_id": shipment_id,
            "kind": "delivery_request",
            "sealed": sealed,
            "facts": {"weight_grams": weight_grams},
        },
    )
    if answer.ok:
        return Outcome.model_validate(answer.body)
    if answer.status in _REFUSED:
        return Outcome(outcome="rejected", reason=_code(answer.body))
    raise RetryLater(f"disclosure_{answer.status}")


def _code(body: object) -> str:
    code = body.get("code") if isinstance(body, dict) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else "refused_by_gateway"
