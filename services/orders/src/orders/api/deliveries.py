"""Who gets an order: the read that the whole shop waits for, so it goes straight through."""

import orjson
from fastapi import APIRouter, Request, Response

from orders.api.answers import DeliveryView
from orders.domain import access
from orders.domain.deliveries import Deliveries
from privity_contracts import route
from privity_contracts.ids import OrderId
from privity_rest.caller import caller

router = APIRouter()


@router.get(
    "/v1/orders/{order_id}/delivery",
    response_model=DeliveryView,
    openapi_extra=route(
        purposes=[
            "self_service",
            "order_verification",
            "warehousing",
            "delivery",
            "returns",
            "enquiries",
            "rights_requests",
            "fraud_review",
            "bookkeeping",
            "break_glass",
            "service_operation",
        ]
    ),
)
async def read_delivery(order_id: OrderId, request: Request) -> Response:
    # No dependencies and no model on the way out: together they cost more than the read itself.
    deliveries: Deliveries = request.app.state.deliveries
    found = await deliveries.read(order_id, reach=access.reach(caller(request)))
    return Response(orjson.dumps(found), media_type="application/json")
