"""The register of recipients: who is in it, where they are reached, whether they are suspended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.domain.recipients.public_key import PublicKey
from privacy_gateway.models import Recipient
from privity_rest import NotFound, Unprocessable

Kind = Literal["delivery", "mail"]
Status = Literal["active", "suspended"]


class RecipientNotFound(NotFound):
    code = "recipient_not_found"


class IdempotencyKeyReused(Unprocessable):
    code = "idempotency_key_reused"
    title = "This key belongs to another request"


@dataclass(frozen=True, slots=True)
class Entry:
    """What registers a recipient. The key and the fingerprint tell a retry from another request."""

    id: str
    name: str
    kind: Kind
    endpoint: str
    public_key: PublicKey | None
    request_key: bytes
    request_fingerprint: bytes


async def registered(tx: AsyncSession, entry: Entry) -> Recipient | None:
    """Whom this very request has registered before. Raises IdempotencyKeyReused."""
    found = await tx.scalar(select(Recipient).where(Recipient.request_key == entry.request_key))
    if found is not None and found.request_fingerprint != entry.request_fingerprint:
        raise IdempotencyKeyReused(f"it registered {found.id}")
    return found


async def register(tx: AsyncSession, entry: Entry, *, now: datetime) -> Recipient:
    """The new recipient; or the one that a twin of this request has just registered.

    Raises IdempotencyKeyReused.
    """
    statement = (
        insert(Recipient)
        .values(
            id=entry.id,
            name=entry.name,
            kind=entry.kind,
            endpoint=entry.endpoint,
            public_key=entry.public_key.model_dump() if entry.public_key else None,
            status="active",
            created_at=now,
            request_key=entry.request_key,
            request_fingerprint=entry.request_fingerprint,
        )
        .on_conflict_do_nothing(index_elements=[Recipient.request_key])
    )
    await tx.execute(statement)
    found = await registered(tx, entry)
    if found is None:
        raise RecipientNotFound(entry.id)
    return found


async def find(tx: AsyncSession, recipient_id: str) -> Recipient:
    """Raises RecipientNotFound."""
    found = await tx.get(Recipient, recipient_id)
    if found is None:
        raise RecipientNotFound(f"no recipient {recipient_id}")
    return found


async def everyone(tx: AsyncSession) -> Sequence[Recipient]:
    return (await tx.scalars(select(Recipient).order_by(Recipient.id))).all()


async def set_status(tx: AsyncSession, recipient_id: str, status: Status) -> Recipient:
    """Raises RecipientNotFound."""
    found = await find(tx, recipient_id)
    found.status = status
    return found


async def set_endpoint(tx: AsyncSession, recipient_id: str, endpoint: str) -> Recipient:
    """Raises RecipientNotFound."""
    found = await find(tx, recipient_id)
    found.endpoint = endpoint
    found.endpoint_gone_at = None
    return found


async def set_key(tx: AsyncSession, recipient_id: str, key: PublicKey | None) -> Recipient:
    """Raises RecipientNotFound."""
    found = await find(tx, recipient_id)
    found.public_key = key.model_dump() if key else None
    return found


async def mark_gone(tx: AsyncSession, recipient_id: str, *, endpoint: str, now: datetime) -> None:
    """The partner says that nothing is at this endpoint any more. A newer one is not concerned."""
    found = await tx.get(Recipient, recipient_id)
    if found is not None and found.endpoint == endpoint and found.endpoint_gone_at is None:
        found.endpoint_gone_at = now
