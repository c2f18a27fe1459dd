"""Events from other services, by way of the gateway."""

from fastapi import APIRouter, Request, Response

from logistics_adapter import consumers
from logistics_adapter.api import Now
from privity_contracts.events import Event
from privity_database import Transaction
from privity_rest import NotAllowed, ServiceCaller

router = APIRouter()


# Not in the contract: what the gateway itself does there is not for anyone to call through it.
@router.post("/v1/events", status_code=204, include_in_schema=False)
async def receive_event(
    body: Event, request: Request, tx: Transaction, caller: ServiceCaller, now: Now
) -> Response:
    if caller.actor != "svc_orders":
        raise NotAllowed("orders are the order service's to tell of")
    parcel_grams: int = request.app.state.parcel_grams
    await consumers.receive(tx, body, parcel_grams=parcel_grams, now=now)
    return Response(status_code=204)
