"""Emergencies, for those who look at them afterwards."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict

from privacy_gateway.api.admission import Desk, admitted
from privacy_gateway.api.strict_body import body_of
from privacy_gateway.domain.break_glass import opening, review
from privacy_gateway.domain.tokens.revocation import Revocations
from privacy_gateway.models import BreakGlass
from privity_contracts.ids import BODY

router = APIRouter(prefix="/v1/break-glass")

PATTERN = rf"^brk_{BODY}$"
Watching = Annotated[Desk, admitted("access_oversight")]
OpeningId = Annotated[str, Path(pattern=PATTERN)]


class Review(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    outcome: review.Outcome


@router.get("")
async def everything(
    desk: Watching,
    state: review.State | None = None,
    cursor: Annotated[str | None, Query(pattern=PATTERN)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    async with desk.database.transaction() as tx:
        found = await review.page(tx, state=state, after=cursor, limit=limit + 1)
    shown = found[:limit]
    return {
        "items": [_shown(desk, each) for each in shown],
        "next_cursor": shown[-1].id if len(found) > limit else None,
    }


@router.get("/{opening_id}")
async def one(desk: Watching, opening_id: OpeningId) -> dict[str, Any]:
    async with desk.database.transaction() as tx:
        return _shown(desk, await review.find(tx, opening_id))


@router.post("/{opening_id}/review")
async def add_review(
    desk: Watching,
    opening_id: OpeningId,
    body: Annotated[Review, body_of(Review)],
    request: Request,
) -> dict[str, Any]:
    revocations: Revocations = request.app.state.revocations
    async with desk.change() as tx:
        found = await review.review(
            tx, opening_id, outcome=body.outcome, by=desk.caller.actor, now=desk.now
        )
        await desk.record(f"emergency_{body.outcome}", resource=f"break-glass/{opening_id}")
    if body.outcome == "not_justified":
        await revocations.revoke("work", opening.work_of(opening_id), now=desk.now.timestamp())
    return _shown(desk, found)


def _shown(desk: Desk, found: BreakGlass) -> dict[str, Any]:
    return {
        "id": found.id,
        "staff_id": found.staff_id,
        "role": found.role,
        "reason": found.reason,
        "ticket": found.ticket,
        "opened_at": found.opened_at,
        "ends_at": found.ends_at,
        "review_by": found.review_by,
        "overdue": found.outcome is None and found.review_by <= desk.now,
        "told_at": found.told_at,
        "outcome": found.outcome,
        "reviewed_by": found.reviewed_by,
        "reviewed_at": found.reviewed_at,
    }
