"""What would go tonight and why, what went, and whether anything is late: for who oversees it."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import select

from privacy_gateway.api.admission import Desk, admitted
from privacy_gateway.domain.retention.dueness import DueClass, due, overdue
from privacy_gateway.domain.retention.lateness import GRACE
from privacy_gateway.models import Sweep
from privity_contracts.ids import BODY

router = APIRouter(prefix="/v1/retention")

Overseeing = Annotated[Desk, admitted("deletion_oversight")]
A_DAY = timedelta(days=1)


@router.get("/due")
async def what_is_due(
    desk: Overseeing, days: Annotated[int, Query(ge=0, le=365)] = 1
) -> dict[str, Any]:
    """By the end of so many days. Names scopes and no person."""
    await desk.record("retention_previewed", resource="retention")
    async with desk.database.transaction() as tx:
        found = await due(tx, desk.policy.file, until=desk.now + days * A_DAY)
        late = await overdue(tx, desk.policy.file, now=desk.now, grace=GRACE.total_seconds())
    return {
        "items": [_due(each) for each in found],
        "overdue": late,
        "next_cursor": None,
    }


@router.get("/sweeps")
async def sweeps(
    desk: Overseeing,
    cursor: Annotated[str | None, Query(pattern=rf"^swp_{BODY}$")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    query = select(Sweep).order_by(Sweep.id.desc()).limit(limit + 1)
    if cursor is not None:
        query = query.where(Sweep.id < cursor)
    async with desk.database.transaction() as tx:
        found = (await tx.scalars(query)).all()
    return {
        "items": [
            {
                name: getattr(each, name)
                for name in ("id", "began_at", "ended_at", "gone", "held", "failed", "orphans")
            }
            for each in found[:limit]
        ],
        "next_cursor": found[limit - 1].id if len(found) > limit else None,
    }


def _due(each: DueClass) -> dict[str, Any]:
    return {
        "scope": each.scope,
        "class": each.retention_class,
        "due_at": each.due_at,
        "why": each.rule.says,
        "ground": each.rule.ground,
        "held": each.held,
    }
