"""Deletions that staff ask for, and legal holds: for the data-protection officer and the owner.

Person ids come in bodies, never in addresses.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from privacy_gateway.api.admission import Desk, admitted
from privacy_gateway.api.my_deletion import shown
from privacy_gateway.api.strict_body import body_of
from privacy_gateway.domain.deletion import asking
from privacy_gateway.domain.deletion.asking import InProgress
from privacy_gateway.domain.retention import holds
from privacy_gateway.models import LegalHold
from privity_contracts.holdings import Scope, Subject
from privity_contracts.ids import BODY

router = APIRouter()

PATTERN = rf"^del_{BODY}$"
Overseeing = Annotated[Desk, admitted("deletion_oversight")]
DeletionId = Annotated[str, Path(pattern=PATTERN)]
HoldId = Annotated[str, Path(pattern=rf"^hld_{BODY}$")]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class Wish(_Form):
    subjects: Annotated[list[Subject], Field(min_length=1, max_length=100)]
    orders_in_progress: InProgress = "refuse"


class NewHold(_Form):
    subject: Subject
    scope: Scope | None = None
    reason: holds.Reason


@router.post("/v1/deletions", status_code=202)
async def ask(desk: Overseeing, body: Annotated[Wish, body_of(Wish)]) -> dict[str, Any]:
    """More than one person may decide alone wait for a second one."""
    items = []
    async with desk.change() as tx:
        for subject in dict.fromkeys(body.subjects):
            asked = await asking.ask(
                tx,
                subject,
                by=desk.caller.actor,
                orders_in_progress=body.orders_in_progress,
                file=desk.policy.file,
                now=desk.now,
            )
            items.append(shown(asked.deletion))
            await desk.record("deletion_asked", resource=asked.deletion.id)
    return {"items": items}


@router.get("/v1/deletions")
async def everything(
    desk: Overseeing,
    cursor: Annotated[str | None, Query(pattern=PATTERN)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    async with desk.database.transaction() as tx:
        found = await asking.page(tx, after=cursor, limit=limit + 1)
    items = [
        {**shown(each), "asked_by": each.asked_by, "approved_by": each.approved_by}
        for each in found[:limit]
    ]
    return {"items": items, "next_cursor": items[-1]["id"] if len(found) > limit else None}


@router.post("/v1/deletions/{deletion_id}/approval")
async def approve(desk: Overseeing, deletion_id: DeletionId) -> dict[str, Any]:
    async with desk.change() as tx:
        deletion = await asking.find(tx, deletion_id, lock=True)
        await asking.approve(
            tx, deletion, by=desk.caller.actor, file=desk.policy.file, now=desk.now
        )
        await desk.record("deletion_approved", resource=deletion_id)
        return shown(deletion)


@router.delete("/v1/deletions/{deletion_id}")
async def decline(desk: Overseeing, deletion_id: DeletionId) -> dict[str, Any]:
    """One that staff asked for: a customer's own wish is theirs alone to take back."""
    async with desk.change() as tx:
        deletion = await asking.find(tx, deletion_id, lock=True)
        if deletion.asked_by is None:
            raise asking.SecondPersonNeeded("its customer asked for it")
        await asking.undo(tx, deletion, now=desk.now, declined=True)
        await desk.record("deletion_declined", resource=deletion_id)
        return shown(deletion)


@router.post("/v1/legal-holds", status_code=201)
async def hold(desk: Overseeing, body: Annotated[NewHold, body_of(NewHold)]) -> dict[str, Any]:
    async with desk.change() as tx:
        placed = await holds.place(
            tx, body.subject, body.scope, reason=body.reason, by=desk.caller.actor, now=desk.now
        )
        await desk.record("legal_hold_placed", resource=placed.id)
        return _hold(placed)


@router.delete("/v1/legal-holds/{hold_id}")
async def release(desk: Overseeing, hold_id: HoldId) -> dict[str, Any]:
    async with desk.change() as tx:
        released = await holds.release(tx, hold_id, by=desk.caller.actor, now=desk.now)
        await desk.record("legal_hold_released", resource=hold_id)
        return _hold(released)


def _hold(hold: LegalHold) -> dict[str, Any]:
    return {
        "id": hold.id,
        "reason": hold.reason,
        "placed_at": hold.placed_at,
        "released_at": hold.released_at,
    }
