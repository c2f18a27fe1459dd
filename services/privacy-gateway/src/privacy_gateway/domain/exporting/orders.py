"""Asking for an export, and what became of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.domain.audit.filters import Filters
from privacy_gateway.domain.exporting.formats import Format
from privacy_gateway.models import Export, ExportPart
from privity_jobs import enqueue
from privity_rest import Conflict, NotFound, Refusal

EXPORT: Final = "audit_export"
EXPIRY: Final = "audit_export_expiry"
KEPT: Final = timedelta(days=7)


class ExportNotFound(NotFound):
    code = "export_not_found"


class NotReady(Conflict):
    code, title = "export_not_ready", "It is still being made"


class Expired(Refusal):
    status, code, title = 410, "export_expired", "It was kept for a week; ask for it again"


async def order(
    tx: AsyncSession,
    export_id: str,
    *,
    form: Format,
    filters: Filters,
    by: str,
    now: datetime,
) -> Export:
    """The same id again is the same export, as it is by now."""
    found = await tx.get(Export, export_id)
    if found is not None:
        return found
    export = Export(
        id=export_id,
        state="queued",
        format=form,
        filters=written(filters),
        asked_by=by,
        asked_at=now,
        next_index=0,
        parts=0,
        records=0,
    )
    tx.add(export)
    await tx.flush()
    await enqueue(tx, EXPORT, {"export_id": export_id}, key=export_id)
    return export


async def find(tx: AsyncSession, export_id: str) -> Export:
    found = await tx.get(Export, export_id)
    if found is None:
        raise ExportNotFound(f"no export {export_id}")
    return found


async def page(tx: AsyncSession, *, after: str | None, limit: int) -> Sequence[Export]:
    """Newest first."""
    query = select(Export).order_by(Export.asked_at.desc(), Export.id.desc()).limit(limit)
    if after is not None:
        last = await find(tx, after)
        query = query.where(tuple_(Export.asked_at, Export.id) < tuple_(last.asked_at, last.id))
    return (await tx.scalars(query)).all()


def require_ready(export: Export, *, now: datetime) -> None:
    if export.state == "expired" or (export.expires_at is not None and export.expires_at <= now):
        raise Expired
    if export.state != "ready":
        raise NotReady


async def expire(tx: AsyncSession, export_id: str) -> None:
    """What it held goes, and whom it was about; that there was one stays."""
    await tx.execute(delete(ExportPart).where(ExportPart.export_id == export_id))
    export = await tx.get(Export, export_id)
    if export is not None:
        export.state, export.filters = "expired", {}


def written(filters: Filters) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name in Filters.__dataclass_fields__
        if (value := getattr(filters, name)) is not None
    }


def read(asked: Mapping[str, Any]) -> Filters:
    times = {n: datetime.fromisoformat(v) for n, v in asked.items() if n in {"since", "until"}}
    return Filters(**{**asked, **times})
