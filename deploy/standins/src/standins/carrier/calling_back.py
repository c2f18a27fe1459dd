"""What the carrier says to the shop: signed like a webhook, repeated until the shop has it."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from standardwebhooks import Webhook

from standins.carrier.identity import Identity

PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Callback:
    """`answers` are the shop's to each attempt; nothing where there was none."""

    door: str
    message_id: str
    content: dict[str, Any]
    answers: list[int | None] = field(default_factory=list)


async def call_back(client: httpx.AsyncClient, identity: Identity, call: Callback) -> bool:
    """Tries until the shop has taken or refused it. False when it was given up."""
    if identity.gateway_url is None or identity.recipient_id is None:
        return False
    url = f"{identity.gateway_url}/v1/partners/{identity.recipient_id}/{call.door}"
    body = json.dumps(call.content)
    for pause in PAUSES:
        headers = _signed(body, call.message_id, identity)
        try:
            answer = await client.post(url, content=body, headers=headers)
        except httpx.HTTPError:
            call.answers.append(None)
        else:
            call.answers.append(answer.status_code)
            if answer.status_code < 500 and answer.status_code != 429:
                return answer.is_success
        await asyncio.sleep(pause)
    return False


def _signed(body: str, message_id: str, identity: Identity) -> dict[str, str]:
    secret = identity.callback_secret or identity.webhook_secret
    if secret is None:
        raise RuntimeError("no secret to sign with; PUT /identity comes first")
    now = datetime.now(UTC)
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, now, body),
    }
