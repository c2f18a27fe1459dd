"""Which partner delivers to which country."""

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import StringConstraints

from logistics_adapter.api import Now
from logistics_adapter.domain import routing
from privity_contracts import OPERATIONAL, Contract, Timestamp, route
from privity_contracts.ids import RecipientId
from privity_database import Transaction
from privity_rest import Staff

router = APIRouter(prefix="/v1/carrier-routes", tags=["carrier routes"])
PURPOSES = ["partner_management"]

Destination = Annotated[str, StringConstraints(pattern=r"^([A-Z]{2}|default)$"), OPERATIONAL]
"""A country that parcels go to; `default` stands for those not listed."""


class CarrierChoice(Contract):
    recipient_id: RecipientId


class CarrierRouteView(Contract):
    country: Destination
    recipient_id: RecipientId
    changed_at: Timestamp


class CarrierRoutes(Contract):
    items: list[CarrierRouteView]


@router.get("", response_model=CarrierRoutes, openapi_extra=route(purposes=PURPOSES))
async def list_routes(tx: Transaction, caller: Staff) -> object:
    return {"items": await routing.listed(tx)}


@router.put("/{country}", response_model=CarrierRouteView, openapi_extra=route(purposes=PURPOSES))
async def set_route(
    country: Destination, body: CarrierChoice, tx: Transaction, caller: Staff, now: Now
) -> object:
    chosen = body.recipient_id
    await routing.set_route(tx, country, recipient_id=chosen, actor=caller.actor, now=now)
    return {"country": country, "recipient_id": chosen, "changed_at": now}


@router.delete("/{country}", status_code=204, openapi_extra=route(purposes=PURPOSES))
async def remove_route(country: Destination, tx: Transaction, caller: Staff) -> Response:
    await routing.remove_route(tx, country)
    return Response(status_code=204)
