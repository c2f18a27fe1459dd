"""One key, one effect: what a customer's Idempotency-Key already stands for."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from orders.models import IdempotencyKey
from privity_rest import Caller, Malformed, Unprocessable


class KeyMissing(Malformed):
    code = "idempotency_key_missing"


class KeyReused(Unprocessable):
    code, title = "idempotency_key_reused", "This key was used for another request"


@dataclass(frozen=True, slots=True)
class Request:
    """The key, and the gateway's fingerprint of the body before it was sealed."""

    subject: str
    operation: str
    key: str
    fingerprint: str


def request_of(caller: Caller, operation: str) -> Request:
    """Raises KeyMissing."""
    if not (caller.subject and caller.idempotency_key and caller.fingerprint):
        raise KeyMissing("this request needs an Idempotency-Key")
    return Request(caller.subject, operation, caller.idempotency_key, caller.fingerprint)


async def claim(tx: AsyncSession, request: Request, *, resource: str, now: datetime) -> str | None:
    """The resource that the key stands for already; None when it is ours from now on.

    While another transaction holds the same key, this waits for its end: if that one fails, the
    key is free again. Raises KeyReused.
    """
    key_hash = hashlib.sha256(request.key.encode()).digest()
    claimed = await tx.scalar(
        insert(IdempotencyKey)
        .values(
            subject_id=request.subject,
            operation=request.operation,
            key_hash=key_hash,
            fingerprint=request.fingerprint,
            resource_id=resource,
            created_at=now,
        )
        .on_conflict_do_nothing()
        .returning(IdempotencyKey.resource_id)
    )
    if claimed is not None:
        return None
    known = await tx.scalar(
        select(IdempotencyKey).where(
            IdempotencyKey.subject_id == request.subject,
            IdempotencyKey.operation == request.operation,
            IdempotencyKey.key_hash == key_hash,
        )
    )
    if known is None or known.fingerprint != request.fingerprint:
        raise KeyReused
    return known.resource_id
