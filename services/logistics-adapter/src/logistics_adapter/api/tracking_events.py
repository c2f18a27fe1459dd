"""Partners' reports. The gateway has checked the signature and says which partner it is."""

from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import StringConstraints

from logistics_adapter.api import Now
from logistics_adapter.domain import tracking
from logistics_adapter.domain.tracking import Report
from logistics_adapter.models import State
from privity_contracts import OPERATIONAL, Contract, Timestamp
from privity_contracts.ids import ShipmentId
from privity_database import Transaction
from privity_rest import Partner

router = APIRouter()


class TrackingReport(Contract):
    """As it is published to partners. Nothing in it is about a person.

    `event_id` is the partner's own, and the same when the same thing is reported again.
    """

    type: Annotated[Literal["tracking_report"], OPERATIONAL]
    event_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$"), OPERATIONAL]
    shipment: ShipmentId
    status: Annotated[
        Literal["handed_over", "in_transit", "out_for_delivery", "delivered", "failed", "returned"],
        OPERATIONAL,
    ]
    occurred_at: Timestamp


# Not in the contract: partners reach it through the gateway's own route, which knows them by
# their signature, and nobody else has anything to report.
@router.post("/v1/tracking-events", status_code=204, include_in_schema=False)
async def report_tracking(
    body: TrackingReport, tx: Transaction, caller: Partner, now: Now
) -> Response:
    report = Report(
        event_id=body.event_id,
        status=State(body.status),
        occurred_at=body.occurred_at,
        shipment_id=body.shipment,
    )
    await tracking.take(tx, report, recipient_id=caller.actor, now=now)
    return Response(status_code=204)
