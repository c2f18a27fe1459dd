"""What the carrier reports of its shipments."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from uuid import uuid4

import httpx

from standins.carrier.calling_back import Callback, call_back
from standins.carrier.identity import Identity

Status = Literal["handed_over", "in_transit", "out_for_delivery", "delivered", "failed", "returned"]
JOURNEY: tuple[Status, ...] = ("in_transit", "out_for_delivery", "delivered")


@dataclass(slots=True)
class Report:
    shipment: str
    status: Status
    event_id: str = field(default_factory=lambda: f"trk_{uuid4().hex}")
    occurred_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    answers: list[int | None] = field(default_factory=list)
    """The shop's answer to each attempt; nothing where there was none."""


async def send(client: httpx.AsyncClient, identity: Identity, report: Report) -> bool:
    """Tries until the shop has taken or refused it. False when it was given up."""
    content = {
        "type": "tracking_report",
        "event_id": report.event_id,
        "shipment": report.shipment,
        "status": report.status,
        "occurred_at": report.occurred_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    call = Callback("tracking", report.event_id, content, report.answers)
    return await call_back(client, identity, call)
