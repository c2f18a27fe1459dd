"""What the carrier reports back: signed like a webhook, repeated until the shop has it."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from uuid import uuid4

import httpx
from standardwebhooks import Webhook

from standins.carrier.identity import Identity

Status = Literal["handed_over", "in_transit", "out_for_delivery", "delivered", "failed", "returned"]
JOURNEY: tuple[Status, ...] = ("in_transit", "out_for_delivery", "delivered")
PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


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
    if identity.gateway_url is None or identity.recipient_id is None:
        return False
    url = f"{identity.gateway_url}/v1/partners/{identity.recipient_id}/tracking"
    body = json.dumps(
        {
            "type": "tracking_report",
            "event_id": report.event_id,
            "shipment": report.shipment,
            "status": report.status,
            "occurred_at": report.occurred_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
    )
    for pause in PAUSES:
        headers = _signed(body, report, identity)
        try:
            answer = await client.post(url, content=body, headers=headers)
        except httpx.HTTPError:
            report.answers.append(None)
        else:
            report.answers.append(answer.status_code)
            if answer.status_code < 500 and answer.status_code != 429:
                return answer.is_success
        await asyncio.sleep(pause)
    return False


def _signed(body: str, report: Report, identity: Identity) -> dict[str, str]:
    secret = identity.callback_secret or identity.webhook_secret
    if secret is None:
        raise RuntimeError("no secret to sign with; PUT /identity comes first")
    now = datetime.now(UTC)
    return {
        "Content-Type": "application/json",
        "webhook-id": report.event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(report.event_id, now, body),
    }
