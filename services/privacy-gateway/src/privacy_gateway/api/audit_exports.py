"""Exports of the record of accesses: asked for, made by a job, fetched, gone after a week."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import StreamingResponse

from privacy_gateway.api.audit_forms import Asked
from privacy_gateway.api.reading import log_of, now, placed, privacy, reading, reviewer
from privacy_gateway.api.strict_body import body_of
from privacy_gateway.domain.audit.query import WorkOfNobody
from privacy_gateway.domain.exporting import files, orders
from privacy_gateway.domain.exporting.formats import Format
from privacy_gateway.models import Export
from privity_contracts import ids

router = APIRouter(prefix="/v1/audit/exports")

PATTERN = rf"^exp_{ids.BODY}$"
ExportId = Annotated[str, Path(pattern=PATTERN)]
IdempotencyKey = Annotated[str | None, Header(min_length=8, max_length=255)]


class NewExport(Asked):
    """It names nobody: the records hold tags. Nothing asked for is everything."""

    format: Format = "ndjson"


@router.post("", status_code=202)
async def order(
    request: Request,
    asked: Annotated[NewExport, body_of(NewExport)],
    idempotency_key: IdempotencyKey = None,
) -> dict[str, Any]:
    who = await reviewer(request)
    filters = await placed(request, asked.filters)
    if filters.persons_work is not None and not filters.persons:
        raise WorkOfNobody(errors=[("/work", WorkOfNobody.code)])
    vault, database = request.app.state.vault, request.app.state.database
    export_id = ids.mint("exp")
    if idempotency_key is not None:
        export_id = vault.deterministic_id("exp", who.actor, idempotency_key)
    access = reading(request, who, subject=filters.subject, resource=f"export/{export_id}")
    [receipt] = await log_of(request).record([access])
    async with database.transaction() as tx:
        export = await orders.order(
            tx, export_id, form=asked.format, filters=filters, by=who.actor, now=now()
        )
    return {**_shown(export), "privacy": privacy(access, receipt.record_id)}


@router.get("")
async def everything(
    request: Request,
    cursor: Annotated[str | None, Query(pattern=PATTERN)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    await reviewer(request)
    async with request.app.state.database.transaction() as tx:
        found = await orders.page(tx, after=cursor, limit=limit + 1)
    shown = found[:limit]
    return {
        "items": [_shown(export) for export in shown],
        "next_cursor": shown[-1].id if len(found) > limit else None,
    }


@router.get("/{export_id}")
async def one(request: Request, export_id: ExportId) -> dict[str, Any]:
    await reviewer(request)
    async with request.app.state.database.transaction() as tx:
        return _shown(await orders.find(tx, export_id))


@router.get("/{export_id}/archive")
async def fetch(request: Request, export_id: ExportId) -> StreamingResponse:
    """All files as one tar. `audit verify export` takes the folder in it."""
    who = await reviewer(request)
    database = request.app.state.database
    async with database.transaction() as tx:
        export = await orders.find(tx, export_id)
    orders.require_ready(export, now=now())
    subject = export.filters.get("subject")
    access = reading(request, who, subject=subject, resource=f"export/{export_id}")
    await log_of(request).record([access])
    return StreamingResponse(
        files.archive(database, export),
        media_type="application/x-tar",
        headers={"Content-Disposition": f'attachment; filename="{export_id}.tar"'},
    )


def _shown(export: Export) -> dict[str, Any]:
    """Whom it is about is not said: who asked for it knows."""
    return {
        "id": export.id,
        "state": export.state,
        "format": export.format,
        "asked_by": export.asked_by,
        "asked_at": export.asked_at,
        "log_size": export.size,
        "progress": round(export.next_index / export.size, 3) if export.size else 0,
        "records": export.records,
        "ready_at": export.ready_at,
        "expires_at": export.expires_at,
    }
