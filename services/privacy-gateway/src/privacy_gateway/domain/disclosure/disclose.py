"""Giving one delivery's details to the partner who delivers it.

First everything that may say no: the agreement, the allow-list, the address. Then the record, then
the opening, then the sending. The payload exists between the last two and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from privacy_gateway.clients.webhooks import (
    AllTaken,
    Unreachable,
    UnsafeEndpoint,
    Webhooks,
)
from privacy_gateway.domain.disclosure import deliveries, encryption, payload, signature
from privacy_gateway.domain.disclosure.deliveries import Parcel
from privacy_gateway.domain.disclosure.outcome import Outcome, Verdict, of_answer
from privacy_gateway.domain.disclosure.payload import NotAsPublished, Plan
from privacy_gateway.domain.disclosure.record import (
    Matter,
    Means,
    open_recorded,
    record_refusal,
)
from privacy_gateway.domain.recipients import agreements, changes, registry, webhook_secrets
from privacy_gateway.domain.recipients.agreements import NotAgreed
from privacy_gateway.domain.recipients.public_key import PublicKey
from privacy_gateway.domain.recipients.registry import RecipientNotFound
from privacy_gateway.domain.vault.data_keys import KeyDestroyed
from privacy_gateway.models import WebhookSecret
from privity_contracts import Sealed
from privity_rest import Refusal

KIND = "delivery"
BUSY_SECONDS = 5
_log = structlog.get_logger("privity.disclosures")


@dataclass(frozen=True, slots=True)
class DeliveryRequest:
    """What the logistics adapter asks for; `details` are the order's, sealed or plain."""

    matter: Matter
    parcel: Parcel
    details: Mapping[str, Sealed | str]
    weight_grams: int


@dataclass(frozen=True, slots=True)
class _Addressee:
    """The recipient as they stood when the agreement was checked."""

    endpoint: str
    public_key: PublicKey | None
    wrapped_secrets: tuple[WebhookSecret, ...]


async def disclose(
    request: DeliveryRequest, *, by: Means, webhooks: Webhooks, now: datetime
) -> Outcome:
    """Raises AnotherDelivery, NotTheirs, and what recording and opening raise."""
    plan = payload.plan(list(request.details), allowed=by.policy.allow_list(KIND))
    try:
        addressee = await _addressee(request, plan, by=by, now=now)
    except NotAgreed as refusal:
        await record_refusal(
            by, request.matter, purpose=_purpose(by), fields=plan.accesses, reason=refusal.reason
        )
        return Outcome(Verdict.NO_AGREEMENT, refusal.reason)
    if addressee is None:
        return Outcome(Verdict.GONE, "endpoint_gone")
    outcome = await _attempt(request, plan, addressee, by=by, webhooks=webhooks, now=now)
    await _finish(request, addressee, outcome, by=by, now=now)
    return outcome


async def _addressee(
    request: DeliveryRequest, plan: Plan, *, by: Means, now: datetime
) -> _Addressee | None:
    """Nobody, when their endpoint is gone. Raises NotAgreed and AnotherDelivery."""
    async with by.database.transaction() as tx:
        try:
            recipient = await registry.find(tx, request.parcel.recipient_id)
        except RecipientNotFound:
            raise NotAgreed("no_recipient") from None
        if recipient.kind != KIND:
            raise NotAgreed("no_delivery_partner")
        await agreements.covering(
            tx, recipient, purpose=_purpose(by), categories=plan.categories, now=now
        )
        if recipient.endpoint_gone_at is not None:
            return None
        await deliveries.begin(tx, request.parcel, now=now)
        secrets = await webhook_secrets.valid(tx, recipient.id, use="webhook", now=now)
        key = recipient.public_key
        return _Addressee(
            endpoint=recipient.endpoint,
            public_key=PublicKey.model_validate(key) if key else None,
            wrapped_secrets=tuple(secrets),
        )


async def _attempt(
    request: DeliveryRequest,
    plan: Plan,
    addressee: _Addressee,
    *,
    by: Means,
    webhooks: Webhooks,
    now: datetime,
) -> Outcome:
    delivery_id = request.parcel.delivery_id
    try:
        async with webhooks.turn(request.parcel.recipient_id):
            destination = await webhooks.find(addressee.endpoint)
            body, headers = await _written(request, plan, addressee, by=by, now=now)
            answer = await webhooks.post(destination, body=body, headers=headers)
    except AllTaken:
        return Outcome(Verdict.RETRY, "busy", retry_after_seconds=BUSY_SECONDS)
    except Unreachable as exc:
        return Outcome(Verdict.RETRY, str(exc))
    except UnsafeEndpoint as exc:
        _log.warning("endpoint_refused", recipient=request.parcel.recipient_id, reason=str(exc))
        return Outcome(Verdict.REJECTED, str(exc))
    except NotAsPublished as exc:
        _log.error("payload_not_as_published", delivery=delivery_id, errors=list(exc.errors))
        return Outcome(Verdict.REJECTED, "payload_not_as_published")
    except KeyDestroyed:
        return Outcome(Verdict.REJECTED, "data_deleted")
    return of_answer(answer.status, retry_after=answer.retry_after, now=now)


async def _written(
    request: DeliveryRequest, plan: Plan, addressee: _Addressee, *, by: Means, now: datetime
) -> tuple[bytes, dict[str, str]]:
    """What is posted. That it may have left is known before anything is opened for it, so that a
    deletion that destroys the keys meanwhile finds whom to tell. Raises what `_payload` raises."""
    delivery_id = request.parcel.delivery_id
    async with by.database.transaction() as tx:
        await deliveries.leave(tx, delivery_id, now=now)
    try:
        body = await _payload(request, plan, addressee.public_key, by=by, now=now)
        return body, await _headers(delivery_id, body, addressee, by=by, now=now)
    except (NotAsPublished, Refusal):
        async with by.database.transaction() as tx:
            await deliveries.stay(tx, delivery_id, since=now)
        raise


async def _payload(
    request: DeliveryRequest, plan: Plan, key: PublicKey | None, *, by: Means, now: datetime
) -> bytes:
    """Raises NotAsPublished, NotTheirs, KeyDestroyed, and Unavailable when it is not recorded."""
    values = {field: request.details[field] for field in plan.fields}
    body = payload.build(
        await open_recorded(by, request.matter, values, purpose=_purpose(by), fields=plan.accesses),
        delivery_id=request.parcel.delivery_id,
        shipment_id=request.parcel.shipment_id,
        weight_grams=request.weight_grams,
        now=now,
    )
    if key is None:
        return body
    return payload.build_encrypted(request.parcel.delivery_id, encryption.encrypt(body, key))


async def _headers(
    delivery_id: str, body: bytes, addressee: _Addressee, *, by: Means, now: datetime
) -> dict[str, str]:
    secrets = await webhook_secrets.unwrap(by.keks, addressee.wrapped_secrets)
    return {
        "content-type": "application/json",
        "user-agent": "privity",
        **signature.sign(body, message_id=delivery_id, signing_secrets=secrets, now=now),
    }


async def _finish(
    request: DeliveryRequest, addressee: _Addressee, outcome: Outcome, *, by: Means, now: datetime
) -> None:
    recipient_id = request.parcel.recipient_id
    if outcome.verdict is Verdict.GONE:
        matter = request.matter
        gone = changes.access(
            by.policy,
            matter.caller,
            recipient_id=recipient_id,
            change="endpoint_gone",
            request_id=matter.request_id,
        )
        await by.audit.record([gone])
    async with by.database.transaction() as tx:
        await deliveries.finish(tx, request.parcel.delivery_id, outcome)
        if outcome.verdict is Verdict.GONE:
            await registry.mark_gone(tx, recipient_id, endpoint=addressee.endpoint, now=now)


def _purpose(by: Means) -> str:
    return by.policy.recipient_purpose(KIND)
