"""Events from other services, by way of the gateway."""

from fastapi import APIRouter, Response

from orders import consumers
from orders.api.held import Now
from privity_contracts.events import Event
from privity_database import Transaction
from privity_rest import NotAllowed, ServiceCaller

router = APIRouter()


# Not in the contract: what the gateway itself does there is not for anyone to call through it.
@router.post("/v1/events", status_code=204, include_in_schema=False)
async def receive_event(body: Event, tx: Transaction, caller: ServiceCaller, now: Now) -> Response:
    if caller.actor != "svc_logistics-adapter":
        raise NotAllowed("shipments are the logistics adapter's to tell of")
    await consumers.receive(tx, body, now=now)
    return Response(status_code=204)
