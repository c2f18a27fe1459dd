"""Telling partners to purge: each delivery that one of them may have, by when, until it is told;
and reminding them until they have attested to it. After a deletion at once; after every delivery
when the time that the partner has agreed to is nearly up.

The request goes the way deliveries go, signed as Standard Webhooks says, and holds ids alone.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.clients.webhooks import (
    AllTaken,
    Unreachable,
    UnsafeEndpoint,
    WebhookAnswer,
    Webhooks,
)
from privacy_gateway.domain.deletion import receipt
from privacy_gateway.domain.deletion.means import Means
from privacy_gateway.domain.disclosure import signature
from privacy_gateway.domain.recipients import webhook_secrets
from privacy_gateway.models import (
    Agreement,
    Deletion,
    Delivery,
    PurgeRequest,
    Recipient,
    RetentionClock,
)
from privity_contracts import ids
from privity_jobs import RetryLater, enqueue

PURGE: Final = "purge"
REMIND: Final = "purge_reminder"
LONGEST: Final = timedelta(days=30)
A_DAY: Final = timedelta(days=1)
ENDED: Final = "order_ended"
"""The clock of the policy that says so."""
AT_ONCE: Final = 500
MOST_REMINDERS: Final = 30
"""After that it is for people to settle; it stays open and overdue."""


class Open(NamedTuple):
    """Purges that nobody has attested to, and those of them whose time is up."""

    open: int
    overdue: int


async def ask(
    tx: AsyncSession, deletion_id: str, orders: Collection[str], *, now: datetime
) -> Sequence[PurgeRequest]:
    """One for each delivery that a partner may have, once, however often this is asked; at once
    also where it would have been asked later anyway."""
    given = await tx.scalars(
        select(Delivery).where(Delivery.order_id.in_(orders), Delivery.left_at.is_not(None))
    )
    for delivery in given:
        days = min(await _days(tx, delivery.recipient_id), LONGEST)
        await _request(tx, delivery, deletion_id, purge_by=now + days, told=now, now=now)
    return await of(tx, deletion_id)


async def ask_ended(tx: AsyncSession, orders: Collection[str] | None, *, now: datetime) -> int:
    """The same for deliveries whose order has ended: they are told a day before the time is up that
    they have agreed to. `None` looks at all orders. How many there were."""
    ended = (
        select(Delivery, RetentionClock.started_at)
        .join(RetentionClock, RetentionClock.scope == func.concat("order/", Delivery.order_id))
        .where(
            RetentionClock.clock == ENDED,
            Delivery.left_at.is_not(None),
            Delivery.purge_asked_at.is_(None),
        )
        .limit(AT_ONCE)
    )
    if orders is not None:
        ended = ended.where(Delivery.order_id.in_(orders))
    found = (await tx.execute(ended)).all()
    for delivery, ended_at in found:
        purge_by = ended_at + await _days(tx, delivery.recipient_id)
        told = max(now, purge_by - A_DAY)
        await _request(tx, delivery, None, purge_by=purge_by, told=told, now=now)
    return len(found)


async def _days(tx: AsyncSession, recipient_id: str) -> timedelta:
    """Until when they have agreed to purge; by the strictest of their agreements."""
    shortest = select(func.min(Agreement.days_until_purge))
    days = await tx.scalar(shortest.where(Agreement.recipient_id == recipient_id))
    return timedelta(days=days or 0)


async def _request(
    tx: AsyncSession,
    delivery: Delivery,
    deletion_id: str | None,
    *,
    purge_by: datetime,
    told: datetime,
    now: datetime,
) -> None:
    added = insert(PurgeRequest).values(
        id=ids.mint("prg"),
        deletion_id=deletion_id,
        recipient_id=delivery.recipient_id,
        delivery_id=delivery.id,
        shipment_id=delivery.shipment_id,
        purge_by=purge_by,
    )
    sooner = func.least(PurgeRequest.purge_by, added.excluded.purge_by)
    whose = func.coalesce(PurgeRequest.deletion_id, added.excluded.deletion_id)
    request = await tx.scalar(
        added.on_conflict_do_update(
            index_elements=[PurgeRequest.delivery_id],
            set_={"deletion_id": whose, "purge_by": sooner},
        ).returning(PurgeRequest),
        execution_options={"populate_existing": True},
    )
    assert request is not None  # noqa: S101  # added or found
    delivery.purge_asked_at = delivery.purge_asked_at or now
    if request.told_at is None and request.outcome is None:
        lane = f"{PURGE}:{delivery.recipient_id}"
        payload = {"purge_id": request.id}
        await enqueue(tx, PURGE, payload, key=request.id, lane=lane, run_at=told)


async def tell_again(tx: AsyncSession, recipient_id: str) -> None:
    """Those who were gone have another endpoint."""
    untold = (PurgeRequest.recipient_id == recipient_id, PurgeRequest.outcome == "gone")
    again = update(PurgeRequest).where(*untold, PurgeRequest.attested_at.is_(None))
    for purge_id in await tx.scalars(again.values(outcome=None).returning(PurgeRequest.id)):
        lane = f"{PURGE}:{recipient_id}"
        await enqueue(tx, PURGE, {"purge_id": purge_id}, key=purge_id, lane=lane)


async def of(tx: AsyncSession, deletion_id: str) -> Sequence[PurgeRequest]:
    found = select(PurgeRequest).where(PurgeRequest.deletion_id == deletion_id)
    return (await tx.scalars(found.order_by(PurgeRequest.id))).all()


async def count_open(tx: AsyncSession, *, now: datetime) -> Open:
    late = func.count().filter(PurgeRequest.purge_by < now)
    query = select(func.count(), late).where(PurgeRequest.attested_at.is_(None))
    counted, overdue = (await tx.execute(query)).one()
    return Open(counted, overdue)


async def tell(purge_id: str, *, by: Means, now: datetime) -> None:
    """Raises RetryLater until the partner has taken it, or has no endpoint any more."""
    async with by.database.transaction() as tx:
        request = await tx.get(PurgeRequest, purge_id)
        if request is None or request.told_at is not None or request.outcome is not None:
            return
    outcome = await _post(request, request.id, _payload(request), by=by, now=now)
    async with by.database.transaction() as tx:
        settled = await tx.get_one(PurgeRequest, purge_id, with_for_update=True)
        if settled.told_at is not None:
            return  # they have attested to it meanwhile
        settled.outcome = outcome
        settled.told_at = now if outcome == "told" else None
        await renew(tx, settled.deletion_id, by.receipts)
        if outcome == "told":
            await _remind_later(tx, settled, now=now)


async def remind(purge_id: str, *, by: Means, now: datetime) -> None:
    """Again a day later, until they have attested to it. Raises RetryLater like `tell`."""
    async with by.database.transaction() as tx:
        request = await tx.get(PurgeRequest, purge_id)
        if request is None or request.attested_at is not None or request.outcome != "told":
            return
    number = request.reminders + 1
    message_id = f"{request.id}-{number}"
    payload = {**_payload(request), "type": "purge_reminder", "id": message_id}
    payload["purge_request"] = request.id
    outcome = await _post(request, message_id, payload, by=by, now=now)
    async with by.database.transaction() as tx:
        reminded = await tx.get_one(PurgeRequest, purge_id, with_for_update=True)
        reminded.reminders, reminded.reminded_at = number, now
        if outcome == "told" and number < MOST_REMINDERS:
            await _remind_later(tx, reminded, now=now)


async def _remind_later(tx: AsyncSession, request: PurgeRequest, *, now: datetime) -> None:
    """A day before their time is up, and then every day."""
    number = request.reminders + 1
    run_at = max(now + A_DAY, request.purge_by - A_DAY) if number == 1 else now + A_DAY
    await enqueue(
        tx,
        REMIND,
        {"purge_id": request.id},
        key=f"{request.id}-{number}",
        lane=f"{PURGE}:{request.recipient_id}",
        run_at=run_at,
    )


async def renew(tx: AsyncSession, deletion_id: str | None, receipts: receipt.Receipts) -> None:
    """The receipt says how it stands with the partners, also when it was given before."""
    if deletion_id is None:
        return
    deletion = await tx.get(Deletion, deletion_id, with_for_update=True)
    if deletion is None or deletion.receipt is None:
        return
    await tx.flush()
    deletion.receipt = receipts.renewed(deletion.receipt, await of(tx, deletion_id))


async def _post(
    request: PurgeRequest, message_id: str, payload: dict[str, Any], *, by: Means, now: datetime
) -> str:
    async with by.database.transaction() as tx:
        recipient = await tx.get_one(Recipient, request.recipient_id)
        secrets = await webhook_secrets.valid(tx, recipient.id, use="webhook", now=now)
    signing = await webhook_secrets.unwrap(by.keks, secrets)
    body = orjson.dumps(payload)
    headers = {
        "content-type": "application/json",
        "user-agent": "privity",
        **signature.sign(body, message_id=message_id, signing_secrets=signing, now=now),
    }
    return await _send(recipient, body, headers, webhooks=by.webhooks)


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
