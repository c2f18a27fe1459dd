"""What partners were told to purge: they attest to it, and who oversees it sees what is open."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import select

from privacy_gateway.api import published
from privacy_gateway.api.admission import Desk, admitted
from privacy_gateway.domain.deletion import attesting
from privacy_gateway.domain.deletion.means import Means, deletion_access
from privacy_gateway.domain.disclosure import schemas, tracking
from privacy_gateway.models import PurgeRequest
from privity_contracts.ids import BODY

router = APIRouter()

ATTESTATION = published.taking(orjson.loads(schemas.document(schemas.PURGE_ATTESTATION)))
Overseeing = Annotated[Desk, admitted("deletion_oversight")]


@router.post(
    "/v1/partners/{recipient_id}/purge-attestations", status_code=202, openapi_extra=ATTESTATION
)
async def attest(recipient_id: str, request: Request) -> Response:
    means: Means = request.app.state.deletion
    now, untrusted_body = means.clock(), await request.body()
    await tracking.authenticate(
        recipient_id,
        request.headers,
        untrusted_body,
        database=means.database,
        keks=means.keks,
        now=now,
    )
    said = attesting.read(untrusted_body)
    async with means.database.transaction() as tx:
        if await attesting.attest(tx, recipient_id, said, receipts=means.receipts, now=now):
            access = deletion_access(means, None, change="purge_attested", resource=said.purge_id)
            theirs = replace(
                access,
                kind="change",
                actor=recipient_id,
                actor_kind="partner",
                role="partner",
                purpose="delivery",
                clauses=means.policy.clauses("delivery"),
                recipient=recipient_id,
                request_id=request.scope["privity.request_id"],
            )
            await means.audit.record([theirs])
    return Response(status_code=202)


@router.get("/v1/purge-requests")
async def purge_requests(
    desk: Overseeing,
    state: Annotated[Literal["open", "overdue", "all"], Query()] = "open",
    cursor: Annotated[str | None, Query(pattern=rf"^prg_{BODY}$")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    """Newest first. Names deliveries and no person."""
    query = select(PurgeRequest).order_by(PurgeRequest.id.desc()).limit(limit + 1)
    if state != "all":
        query = query.where(PurgeRequest.attested_at.is_(None))
    if state == "overdue":
        query = query.where(PurgeRequest.purge_by < desk.now)
    if cursor is not None:
        query = query.where(PurgeRequest.id < cursor)
    async with desk.database.transaction() as tx:
        found = (await tx.scalars(query)).all()
    return {
        "items": [_shown(each, now=desk.now) for each in found[:limit]],
        "next_cursor": found[limit - 1].id if len(found) > limit else None,
    }


def _shown(request: PurgeRequest, *, now: datetime) -> dict[str, Any]:
    return {
        "id": request.id,
        "deletion": request.deletion_id,
        "recipient": request.recipient_id,
        "delivery": request.delivery_id,
        "purge_by": request.purge_by,
        "told_at": request.told_at,
        "reminders": request.reminders,
        "reminded_at": request.reminded_at,
        "attested_at": request.attested_at,
        "purged_at": request.purged_at,
        "suspended_at": request.suspended_at,
        "overdue": request.attested_at is None and request.purge_by < now,
    }
