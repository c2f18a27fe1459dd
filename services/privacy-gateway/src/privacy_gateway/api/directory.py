"""The staff directory, for the shop's owner: who works here, and who no longer may."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from privacy_gateway.api.admission import Desk, admitted
from privacy_gateway.api.strict_body import body_of
from privacy_gateway.domain.staff import directory
from privacy_gateway.domain.staff.directory import NobodyThere
from privacy_gateway.models import StaffMember
from privity_contracts.ids import BODY

router = APIRouter(prefix="/v1/staff")

PATTERN = rf"^stf_{BODY}$"
Administering = Annotated[Desk, admitted("staff_administration")]
StaffId = Annotated[str, Path(pattern=PATTERN)]
RoleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,39}$")]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class Deactivation(_Form):
    reason: directory.Why


class Roles(_Form):
    roles: Annotated[list[RoleName], Field(max_length=50)]


@router.get("")
async def everyone(
    desk: Administering,
    cursor: Annotated[str | None, Query(pattern=PATTERN)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> dict[str, Any]:
    async with desk.database.transaction() as tx:
        found = await directory.page(tx, after=cursor, limit=limit + 1)
    shown = found[:limit]
    return {
        "items": [_shown(each) for each in shown],
        "next_cursor": shown[-1].id if len(found) > limit else None,
    }


@router.get("/{staff_id}")
async def one(desk: Administering, staff_id: StaffId) -> dict[str, Any]:
    async with desk.database.transaction() as tx:
        member = await directory.find(tx, staff_id)
    if member is None:
        raise NobodyThere(staff_id)
    return _shown(member)


@router.post("/{staff_id}/deactivation")
async def deactivate(
    desk: Administering, staff_id: StaffId, body: Annotated[Deactivation, body_of(Deactivation)]
) -> dict[str, Any]:
    async with desk.change() as tx:
        member = await directory.hold(tx, staff_id)
        if await directory.deactivate(
            tx, member, why=body.reason, by=desk.caller.actor, now=time.time()
        ):
            await desk.record("staff_deactivated", resource=f"staff/{staff_id}")
    await desk.revocations.catch_up()
    return _shown(member)


@router.delete("/{staff_id}/deactivation")
async def reactivate(desk: Administering, staff_id: StaffId) -> dict[str, Any]:
    async with desk.change() as tx:
        member = await directory.hold(tx, staff_id)
        if directory.reactivate(member, by=desk.caller.actor):
            await desk.record("staff_reactivated", resource=f"staff/{staff_id}")
    return _shown(member)


@router.put("/{staff_id}/roles")
async def set_roles(
    desk: Administering, staff_id: StaffId, body: Annotated[Roles, body_of(Roles)]
) -> dict[str, Any]:
    async with desk.change() as tx:
        member = await directory.hold(tx, staff_id)
        if await directory.set_roles(tx, member, body.roles, by=desk.caller.actor, now=time.time()):
            await desk.record("staff_roles_changed", resource=f"staff/{staff_id}")
    await desk.revocations.catch_up()
    return _shown(member)


def _shown(member: StaffMember) -> dict[str, Any]:
    return {
        "id": member.id,
        "source": member.source,
        "username": member.username,
        "roles": member.roles,
        "withheld_roles": member.withheld_roles,
        "sites": member.sites,
        "active": member.active,
        "listed": member.listed,
        "deactivated_at": member.deactivated_at,
        "deactivated_by": member.deactivated_by,
        "deactivated_why": member.deactivated_why,
    }
