"""What the shop's other services are told about a shipment: ids and its state."""

from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from logistics_adapter.models import Shipment
from privity_contracts.events import Event
from privity_contracts.ids import mint
from privity_jobs import publish


def announce(tx: AsyncSession, shipment: Shipment, *, now: datetime) -> None:
    """Says what state the shipment is in now."""
    data = {"order_id": shipment.order_id, "shipment_id": shipment.id}
    if shipment.blocked_reason is not None:
        data["reason"] = shipment.blocked_reason
    publish(
        tx,
        Event.model_validate(
            {
                "id": mint("evt", clock=now.timestamp),
                "type": f"shipment.{shipment.state}",
                "occurred_at": now.astimezone(UTC),
                "data": data,
            }
        ),
    )
