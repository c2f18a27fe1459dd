"""What the watch raised, for those who review accesses: read, and answered with a reason."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict

from privacy_gateway.api.admission import Desk, admitted
from privacy_gateway.api.audit import named
from privacy_gateway.api.reading import log_of, privacy, reading, reviewer
from privacy_gateway.api.strict_body import body_of
from privacy_gateway.domain.watch import alerts
from privacy_gateway.domain.watch.rules import Rule
from privacy_gateway.models import Alert
from privity_contracts.ids import BODY

router = APIRouter(prefix="/v1/audit/alerts")

PATTERN = rf"^alr_{BODY}$"
AlertId = Annotated[str, Path(pattern=PATTERN)]
Reviewing = Annotated[Desk, admitted("audit_review")]


class Acknowledgement(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    reason: alerts.Reason


@router.get("")
async def everything(
    request: Request,
    state: alerts.State | None = None,
    rule: Rule | None = None,
    cursor: Annotated[str | None, Query(pattern=PATTERN)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    who = await reviewer(request)
    access = reading(request, who, subject=None, resource="alerts")
    [receipt] = await log_of(request).record([access])
    async with request.app.state.database.transaction() as tx:
        found = await alerts.page(tx, state=state, rule=rule, after=cursor, limit=limit + 1)
    shown = found[:limit]
    tags = [{"actor": alert.actor} for alert in shown if alert.actor is not None]
    return {
        "items": [_shown(alert) for alert in shown],
        "people": await named(request, tags, ["actor"], access),
        "next_cursor": shown[-1].id if len(found) > limit else None,
        "privacy": privacy(access, receipt.record_id),
    }


@router.post("/{alert_id}/acknowledgement")
async def acknowledge(
    desk: Reviewing,
    alert_id: AlertId,
    body: Annotated[Acknowledgement, body_of(Acknowledgement)],
) -> dict[str, Any]:
    async with desk.change() as tx:
        alert = await alerts.acknowledge(
            tx, alert_id, reason=body.reason, by=desk.caller.actor, now=desk.now
        )
        await desk.record(f"alert_{body.reason}", resource=f"alert/{alert_id}")
    return _shown(alert)


def _shown(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "rule": alert.rule,
        "actor": alert.actor,
        "role": alert.role,
        "record": alert.record_id,
        "count": alert.count,
        "limit": alert.limit,
        "first_at": alert.first_at,
        "last_at": alert.last_at,
        "raised_at": alert.raised_at,
        "acknowledged_at": alert.acknowledged_at,
        "acknowledged_by": alert.acknowledged_by,
        "reason": alert.acknowledged_why,
    }
