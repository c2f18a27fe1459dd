"""How many customers somebody may see, for those who watch over access: standing, raises."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from privacy_gateway.api.admission import Desk, admitted
from privacy_gateway.api.recipient_forms import idempotency_key
from privacy_gateway.api.strict_body import body_of
from privacy_gateway.domain.budget import raises
from privacy_gateway.domain.budget.spending import Budgets
from privacy_gateway.domain.staff import directory
from privacy_gateway.domain.staff.directory import NobodyThere
from privacy_gateway.domain.vault.vault import Vault
from privacy_gateway.models import BudgetRaise
from privity_contracts.ids import BODY

router = APIRouter(prefix="/v1/budgets")

Watching = Annotated[Desk, admitted("access_oversight")]
StaffId = Annotated[str, Path(pattern=rf"^stf_{BODY}$")]
RaiseId = Annotated[str, Path(pattern=rf"^rse_{BODY}$")]
Moment = Annotated[AwareDatetime, Field(strict=False)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class NewRaise(_Form):
    extra: Annotated[int, Field(ge=1, le=10_000)]
    reason: raises.Reason
    ends_at: Moment


class Review(_Form):
    outcome: raises.Outcome


@router.get("/{staff_id}")
async def standing(desk: Watching, staff_id: StaffId, request: Request) -> dict[str, Any]:
    budgets: Budgets = request.app.state.budgets
    async with desk.database.transaction() as tx:
        member = await directory.find(tx, staff_id)
        given = await raises.of(tx, staff_id)
    if member is None:
        raise NobodyThere(staff_id)
    terms = desk.policy.file.limits.budgets
    stands = {role: await budgets.standing(staff_id, role, terms=terms) for role in member.roles}
    return {
        "id": staff_id,
        "items": [
            {"role": role, "allowed": found.allowed, "spent": found.spent}
            for role, found in stands.items()
        ],
        "raises": [_shown(each) for each in given],
    }


@router.post("/{staff_id}/raises")
async def give(
    desk: Watching,
    staff_id: StaffId,
    body: Annotated[NewRaise, body_of(NewRaise)],
    request: Request,
    response: Response,
) -> dict[str, Any]:
    vault: Vault = request.app.state.vault
    raise_id = vault.deterministic_id("rse", desk.caller.actor, idempotency_key(request))
    async with desk.change() as tx:
        given, new = await raises.give(
            tx,
            raise_id,
            staff_id=staff_id,
            extra=body.extra,
            reason=body.reason,
            given_by=desk.caller.actor,
            ends_at=body.ends_at,
            now=desk.now,
        )
        if new:
            await desk.record("budget_raised", resource=f"raise/{raise_id}")
    response.status_code = 201 if new else 200
    return _shown(given)


@router.post("/{staff_id}/raises/{raise_id}/review")
async def review(
    desk: Watching,
    staff_id: StaffId,
    raise_id: RaiseId,
    body: Annotated[Review, body_of(Review)],
) -> dict[str, Any]:
    async with desk.change() as tx:
        given = await raises.review(
            tx,
            raise_id,
            staff_id=staff_id,
            outcome=body.outcome,
            by=desk.caller.actor,
            now=desk.now,
        )
        await desk.record(f"raise_{body.outcome}", resource=f"raise/{raise_id}")
    return _shown(given)


def _shown(given: BudgetRaise) -> dict[str, Any]:
    return {
        "id": given.id,
        "staff_id": given.staff_id,
        "extra": given.extra,
        "reason": given.reason,
        "given_by": given.given_by,
        "given_at": given.given_at,
        "ends_at": given.ends_at,
        "outcome": given.outcome,
        "reviewed_by": given.reviewed_by,
        "reviewed_at": given.reviewed_at,
    }
