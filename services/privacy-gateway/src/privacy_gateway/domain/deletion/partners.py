"""Telling partners to purge: each delivery that one of them was given, by when, until it is told.

The request goes the way deliveries go, signed as Standard Webhooks says, and holds ids alone.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.clients.webhooks import (
    AllTaken,
    Unreachable,
    UnsafeEndpoint,
    WebhookAnswer,
    Webhooks,
)
from privacy_gateway.domain.disclosure import signature
from privacy_gateway.domain.recipients import webhook_secrets
from privacy_gateway.domain.vault.kek import KeyEncryption
from privacy_gateway.models import Agreement, Delivery, PurgeRequest, Recipient
from privity_contracts import ids
from privity_database import Database
from privity_jobs import RetryLater, enqueue

PURGE: Final = "purge"
LONGEST: Final = timedelta(days=30)


async def ask(
    tx: AsyncSession, deletion_id: str, orders: Collection[str], *, now: datetime
) -> Sequence[PurgeRequest]:
    """One for each delivery that arrived with a partner, once, however often this is asked."""
    given = await tx.scalars(
        select(Delivery).where(Delivery.order_id.in_(orders), Delivery.outcome == "delivered")
    )
    for delivery in given:
        days = await tx.scalar(
            select(func.min(Agreement.days_until_purge)).where(
                Agreement.recipient_id == delivery.recipient_id
            )
        )
        added = await tx.scalar(
            insert(PurgeRequest)
            .values(
                id=ids.mint("prg"),
                deletion_id=deletion_id,
                recipient_id=delivery.recipient_id,
                delivery_id=delivery.id,
                shipment_id=delivery.shipment_id,
                purge_by=now + min(timedelta(days=days or 0), LONGEST),
            )
            .on_conflict_do_nothing(index_elements=[PurgeRequest.delivery_id])
            .returning(PurgeRequest.id)
        )
        if added is not None:
            lane = f"{PURGE}:{delivery.recipient_id}"
            await enqueue(tx, PURGE, {"purge_id": added}, key=added, lane=lane)
    found = select(PurgeRequest).where(PurgeRequest.deletion_id == deletion_id)
    return (await tx.scalars(found.order_by(PurgeRequest.id))).all()


async def tell(
    purge_id: str, *, database: Database, keks: KeyEncryption, webhooks: Webhooks, now: datetime
) -> None:
    """Raises RetryLater until the partner has taken it, or has no endpoint any more."""
    async with database.transaction() as tx:
        request = await tx.get(PurgeRequest, purge_id)
        if request is None or request.told_at is not None or request.outcome is not None:
            return
        recipient = await tx.get_one(Recipient, request.recipient_id)
        secrets = await webhook_secrets.valid(tx, recipient.id, use="webhook", now=now)
    signing = await webhook_secrets.unwrap(keks, secrets)
    body = orjson.dumps(_payload(request))
    headers = {
        "content-type": "application/json",
        "user-agent": "privity",
        **signature.sign(body, message_id=request.id, signing_secrets=signing, now=now),
    }
    outcome = await _send(recipient, body, headers, webhooks=webhooks)
    async with database.transaction() as tx:
        settled = await tx.get_one(PurgeRequest, purge_id)
        settled.outcome = outcome
        settled.told_at = now if outcome == "told" else None


async def _send(
    recipient: Recipient, body: bytes, headers: dict[str, str], *, webhooks: Webhooks
) -> str:
    """`told` or `gone`. Raises RetryLater."""
    if recipient.endpoint_gone_at is not None:
        return "gone"
    try:
        async with webhooks.turn(recipient.id):
            destination = await webhooks.find(recipient.endpoint)
            answer: WebhookAnswer = await webhooks.post(destination, body=body, headers=headers)
    except AllTaken:
        raise RetryLater("busy") from None
    except (Unreachable, UnsafeEndpoint) as failure:
        raise RetryLater(str(failure)) from None
    if 200 <= answer.status < 300:
        return "told"
    if answer.status == 410:
        return "gone"
    # A refusal too: they have to purge, and a deployment of theirs may understand it tomorrow.
    raise RetryLater(f"status_{answer.status}")


def _payload(request: PurgeRequest) -> dict[str, Any]:
    return {
        "type": "purge_request",
        "id": request.id,
        "delivery": request.delivery_id,
        "shipment": request.shipment_id,
        "purge_by": request.purge_by.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
